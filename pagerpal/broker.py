from django_q.brokers.orm import ORM
class SturdyORM(ORM):
    pass
