"""Messages of senders that have no source of their own, told by their marks and mapped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from alertsources.expressions import Expression, FoundNothing, compiled
from alertsources.mapping import FieldMap, made_of


@dataclass(frozen=True)
class Shape:
    """One kind of message: how to tell it, what its parts mean, and its sender's test button."""

    name: str
    when: Expression
    fields: FieldMap
    test: Expression | None = None

    def fits(self, message: Any) -> bool:
        return _is_so(self.when, message)

    def is_test(self, message: Any) -> bool:
        return self.test is not None and _is_so(self.test, message)


def shape_of(message: Any) -> Shape | None:
    if not isinstance(message, dict):
        return None
    return next((shape for shape in SHAPES if shape.fits(message)), None)


def _is_so(expression: Expression, message: Any) -> bool:
    try:
        return bool(expression.find(message))
    except FoundNothing:
        return False


def _shape(
    name: str,
    when: str,
    fields: Mapping[str, str],
    *,
    resolved: str = "",
    ignored: str = "",
    severities: Mapping[str, str] | None = None,
    test: str = "",
) -> Shape:
    return Shape(
        name,
        compiled(when),
        made_of(fields, resolved=resolved, ignored=ignored, severities=severities),
        compiled(test) if test else None,
    )


# What Nagios and all who came after it call what is neither a problem nor its end.
NAGIOS_NOTES = (
    "acknowledgement custom downtimestart downtimeend downtimeremoved downtimecancelled "
    "flappingstart flappingstop flappingend flappingdisabled"
)
NAGIOS_SEVERITIES = {"down": "critical", "unreachable": "warning", "unreach": "warning"}

# What is done to an alert at Opsgenie's address, see opsgenie.py.
OPSGENIE_ACT = "opsgenie_act"

SHAPES = [
    _shape(
        "Datadog",
        "alert_transition || org && ends_with(event_type, '_monitor')",
        {
            "title": "title",
            "key": "alert_cycle_key || aggreg_key "
            "|| alert_id && join(' ', [alert_id, alert_scope || ''])",
            "state": "alert_transition",
            "severity": "priority || alert_type",
            "detail": "body",
            "links": "link",
            "labels": "{host: hostname, scope: alert_scope, tags: tags}",
        },
    ),
    _shape(
        "PagerDuty events",
        "event_action && (routing_key || payload || dedup_key)",
        {
            "title": "payload.summary",
            "key": "dedup_key",
            "state": "event_action",
            "severity": "payload.severity",
            "detail": "payload.custom_details",
            "links": "[links, [{text: client || 'client', href: client_url}]][]",
            "labels": "payload.{source: source, component: component, group: group, class: class}",
        },
        ignored="acknowledge",
        test="dedup_key == 'Uptime Kuma/test'",  # never resolved
    ),
    _shape(
        "PagerDuty changes",
        "routing_key && payload && !event_action",
        {"title": "payload.summary", "state": "'change'", "links": "links"},
        ignored="change",
    ),
    _shape(
        "PagerDuty events, version 1",
        "service_key && event_type",
        {
            "title": "description",
            "key": "incident_key",
            "state": "event_type",
            "detail": "details",
            "links": "[contexts[?type=='link'], [{text: client || 'client', href: client_url}]][]",
        },
        ignored="acknowledge",
    ),
    _shape(
        "Opsgenie",
        "message && (alias || responders || starts_with(priority, 'P'))"
        f" || alias && {OPSGENIE_ACT}",
        {
            "title": "message",
            "key": "alias || message",
            "state": f"{OPSGENIE_ACT} || 'create'",
            "severity": "priority",
            "detail": "description",
            "labels": "details",
        },
        resolved="close",
    ),
    _shape(
        "Zabbix",
        "event_value && (event_name || trigger_id)",
        {
            "title": "join(' on ', [event_name, host_name][?@])",
            "key": "event_id",
            "state": "event_value != '0' && event_update_status == '1' && 'update' || event_value",
            "severity": "event_nseverity",
            "detail": "event_opdata",
            "links": "url",
            "labels": "{host: host_name, ip: host_ip, trigger_id: trigger_id}",
        },
        resolved="0",
        ignored="update",
        severities={
            **{"0": "info", "1": "info", "2": "warning", "3": "warning"},
            **{"4": "high", "5": "critical"},
        },
        test="event_value == '{EVENT.VALUE}'",
    ),
    _shape(
        "StatusCake",
        "Status && Name && (TestID || StatusCode)",
        {
            "title": "join(' is ', [Name, Status])",
            "key": "TestID || Name",
            "state": "Status",
            "detail": "join(' ', ['HTTP status', StatusCode])",
            "links": "URL",
            "labels": "{ip: IP, tags: Tags, method: Method}",
        },
    ),
    _shape(
        "Better Stack",
        "data.type == 'incident' && data.attributes.cause",
        {
            "title": "join(': ', data.attributes.[name, cause][?@])",
            "key": "data.id",
            "state": "data.attributes | resolved_at && 'resolved' "
            "|| acknowledged_at && 'acknowledged' || 'firing'",
            "links": "data.attributes.url",
            "labels": "{monitor: data.relationships.monitor.data.id, "
            "team: data.attributes.team_name}",
        },
        ignored="acknowledged",
    ),
    _shape(
        "Pingdom",
        "check_id && current_state",
        {
            "title": "join(' is ', [check_name, current_state])",
            "key": "to_string(check_id)",
            "state": "current_state",
            "severity": "importance_level",
            "detail": "long_description",
            "links": "check_params.full_url",
            "labels": "{check_type: check_type, host: check_params.hostname}",
        },
        severities={"high": "critical", "low": "warning"},
        test="description == 'test' && starts_with(long_description, 'This is a test message')",
    ),
    _shape(
        "Google Cloud Monitoring",
        "incident.incident_id && incident.state",
        {
            "title": "join(' on ', incident.[policy_name, resource_display_name][?@])",
            "key": "incident.incident_id",
            "state": "incident.state",
            "severity": "incident.severity",
            "detail": "incident.summary",
            "links": "incident.url",
            "labels": "incident.{condition: condition_name, resource: resource_name, "
            "project: scoping_project_id}",
        },
        test="version == 'test'",
    ),
    _shape(
        "Azure Monitor",
        "schemaId == 'azureMonitorCommonAlertSchema'",
        {
            "title": "join(' on ', data.essentials.[alertRule, configurationItems[0]][?@])",
            "key": "data.essentials | alertId || join(' ', [alertRule, alertTargetIDs[0]])",
            "state": "data.essentials.monitorCondition",
            "severity": "data.essentials.severity",
            "detail": "data.essentials.description",
            "labels": "data.essentials.{rule: alertRule, signal: signalType, "
            "service: monitoringService, resource: configurationItems[0]}",
        },
    ),
    _shape(
        "Sentry",
        "installation && (data.event || data.issue)",
        {
            "title": "(data.event || data.issue).title",
            "key": "data.event.issue_id || data.issue.id",
            "state": "action",
            "severity": "(data.event || data.issue).level",
            "detail": "data.event.culprit",
            "links": "(data.event || data.issue).web_url",
            "labels": "{rule: data.triggered_rule, environment: data.event.environment}",
        },
        resolved="resolved ignored archived",
        ignored="assigned",
    ),
    _shape(
        "Sentry metric alerts",
        "data.metric_alert",
        {
            "title": "data.metric_alert.title",
            "key": "join(' ', ['metric', to_string(data.metric_alert.id)])",
            "state": "action",
            "severity": "action",
            "detail": "data.description_text",
            "links": "data.web_url",
        },
    ),
    _shape(
        "Sentry installations",
        "installation && data.installation",
        {"title": "join(' ', ['Sentry: installation', action])", "state": "'installation'"},
        ignored="installation",
    ),
    _shape(
        "Icinga or Nagios",
        "host && type && state && output",
        {
            "title": "join(' ', [host, service, 'is', state][?@])",
            "key": "join('!', [host, service][?@])",
            "state": "type",
            "severity": "state",
            "detail": "output",
            "links": "url",
            "labels": "{host: host, service: service}",
        },
        ignored=NAGIOS_NOTES,
        severities={**NAGIOS_SEVERITIES, "unknown": "warning"},
    ),
    _shape(
        "Checkmk",
        "host && notification_type && what",
        {
            "title": "join(' ', [host, service, 'is', service && severity || status || event][?@])",
            "key": "join('!', [host, service][?@])",
            "state": "notification_type",
            "severity": "service && severity || status",
            "detail": "output",
            "labels": "{host: host, service: service, address: address}",
        },
        ignored=NAGIOS_NOTES,
        severities={**NAGIOS_SEVERITIES, "unknown": "warning"},
    ),
    _shape(
        "Netdata",
        "alert && chart && alert_url",
        {
            "title": "message",
            # The host is told only in the text, and two hosts must not be one problem.
            "key": "join(' ', [alert, chart, split(message, ' on ')[-1]])",
            "state": "severity",
            "severity": "severity",
            "detail": "info",
            "links": "alert_url",
            "labels": "{alert: alert, chart: chart, class: class, space: space}",
        },
    ),
    _shape(
        "Netdata reachability",
        "status.text && host && url",
        {
            "title": "message",
            "key": "join(' ', ['reachability', host])",
            "state": "status.reachable && 'up' || 'down'",
            "severity": "severity",
            "links": "url",
            "labels": "{host: host}",
        },
    ),
    _shape(
        "GitHub",
        "workflow_run && repository",
        {
            "title": "join(' ', [repository.full_name, workflow_run.name, 'on', "
            "workflow_run.head_branch, 'ended with', workflow_run.conclusion])",
            "key": "join(' ', [repository.full_name, to_string(workflow_run.workflow_id), "
            "workflow_run.head_branch])",
            "state": "action == 'completed' && workflow_run.conclusion || action",
            "detail": "workflow_run.display_title",
            "links": "workflow_run.html_url",
            "labels": "{repository: repository.full_name, workflow: workflow_run.name, "
            "branch: workflow_run.head_branch}",
        },
        resolved="success",
        ignored="cancelled skipped neutral action_required stale requested in_progress",
    ),
    _shape(
        "GitHub ping",
        "zen && hook_id",
        {
            "title": "join(' ', ['Ping from GitHub:', zen])",
            "key": "'github ping'",
            "state": "'ping'",
        },
        test="zen",
    ),
]
