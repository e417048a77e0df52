# One image for every role; what runs is `manage.py serve` unless another command is given.
ARG PYTHON=3.12

FROM python:${PYTHON}-slim AS build
# With requirements-apprise.txt besides: --build-arg EXTRA="-r requirements-apprise.txt"
ARG EXTRA=""
WORKDIR /app
RUN python -m venv /venv
COPY requirements.txt requirements-apprise.txt ./
RUN /venv/bin/python -m pip install --quiet --no-cache-dir --disable-pip-version-check -r requirements.txt ${EXTRA}
COPY . .
# The key and the address are used for nothing and kept nowhere.
RUN ENVIRONMENT=production SESSION_COOKIE_SECURE=true PAGERPAL_DATA_DIR=/tmp/build DATABASE_URL= \
    SECRET_KEY="$(/venv/bin/python -c 'import secrets; print(secrets.token_urlsafe(48))')" \
    /venv/bin/python manage.py collectstatic --noinput --verbosity 0
# The file system is read-only when it runs, so nothing is compiled then.
RUN /venv/bin/python -m compileall -q /app

FROM python:${PYTHON}-slim
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /data --shell /usr/sbin/nologin pagerpal \
    && install -d -o pagerpal -g pagerpal -m 0700 /data
COPY --from=build /venv /venv
COPY --from=build /app /app
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PAGERPAL_BIND=0.0.0.0 \
    PAGERPAL_DATA_DIR=/data
WORKDIR /app
USER pagerpal
VOLUME ["/data"]
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=6s --start-period=60s --retries=3 \
    CMD ["python", "-m", "pagerpal.healthcheck"]
CMD ["python", "manage.py", "serve"]
