"""What a scan of the sources cannot see, each with the place that shows it.

Places are files of Prosody 13.0.1 with their lines; 0.12.3 says the same unless `only` names the version.
"""

from __future__ import annotations

from typing import NamedTuple

COMPUTED = {
    "core/certmanager.lua: service .. \"_certificate\"": "made of the services, see table.py",
    "core/portmanager.lua: config_prefix .. \"ssl\"": "made of the services, see table.py",
    "core/portmanager.lua: config_prefix .. \"interfaces\"": "made of the services, see table.py",
    "core/portmanager.lua: config_prefix .. \"interface\"": "made of the services, see table.py",
    "core/portmanager.lua: config_prefix .. \"ports\"": "made of the services, see table.py",
    "core/portmanager.lua: name .. \"_host\"": "made of the services, see table.py",
    "modules/mod_cron.lua: task . id : gsub ( \"/\" , \"_\" ) .. \"_period\"": "made of the tasks, see table.py",
    "modules/mod_admin_shell.lua: key": "a command that shows any option",
}  # fmt: skip
"""Every option that is read by a computed name → why no entry below is needed for it, or which is there."""


class Known(NamedTuple):
    """What is known of one option beyond the scan; an empty field leaves what was scanned."""

    option: str
    kind: str
    source: str
    scope: str = ""
    choices: tuple[str | bool, ...] = ()
    default: str = ""
    only: str = ""


OPTIONS = (
    # read as a field of a host's table, not through a getter
    Known("disco_hidden", "boolean", "core/hostmanager.lua:98", scope="any"),
    Known("enabled", "boolean", "core/hostmanager.lua:54", scope="any"),
    # read as they are: what the code then does with them tells the type
    Known("add_permissions", "table", "modules/mod_authz_internal.lua:103", only="13.0"),
    Known("additional_registration_fields", "list", "modules/mod_register_ibr.lua:19"),
    Known("admin_shell_prompt", "string", "util/prosodyctl/shell.lua:164"),
    Known("allow_unencrypted_plain_auth", "boolean", "modules/mod_saslauth.lua:27"),
    Known("anonymous_login", "boolean", "core/usermanager.lua:74"),
    Known("authorization", "string", "core/usermanager.lua:64"),
    Known("certificate", "string", "core/certmanager.lua:160"),
    Known("certificates", "string", "core/certmanager.lua:39"),
    Known("client_https_ssl", "table", "util/startup.lua:414"),
    Known(
        "conflict_resolve",
        "enum",
        "core/sessionmanager.lua:228",
        choices=("kick_old", "kick_new", "increment", "random"),
        default='"kick_old"',
    ),
    Known("console_prettyprint_settings", "table", "modules/mod_admin_shell.lua:510"),
    Known("contact_info", "table", "modules/mod_server_contact_info.lua:30"),
    Known("cross_domain_bosh", "boolean|list", "modules/mod_bosh.lua:47"),
    Known("cross_domain_websocket", "boolean|list", "modules/mod_websocket.lua:36"),
    Known("daemonize", "boolean", "bin/prosodyctl:250"),
    Known("data_path", "path", "util/startup.lua:300"),
    Known("debug", "boolean", "core/loggingmanager.lua:147"),
    Known("default_storage", "string", "core/storagemanager.lua:108"),
    Known("error_library", "table", "util/startup.lua:683"),
    Known("external_addresses", "list", "util/prosodyctl/check.lua:936"),
    Known("force_module_reload", "boolean", "core/modulemanager.lua:342"),
    Known("gc", "table", "util/startup.lua:672"),
    Known("http_cors_override", "table", "modules/mod_http.lua:36"),
    Known("http_errors_messages", "table", "modules/mod_http_errors.lua:29"),
    Known("http_paths", "table", "modules/mod_http.lua:63"),
    Known("installer_plugin_path", "path", "util/startup.lua:315"),
    Known("interface", "list", "core/portmanager.lua:98"),
    Known("interfaces", "list", "core/portmanager.lua:97"),
    Known("limits", "table", "modules/mod_limits.lua:9"),
    Known("local_interfaces", "list", "core/portmanager.lua:96"),
    Known("log", "string|table", "core/loggingmanager.lua:154"),
    Known("modules_disabled", "list", "core/modulemanager.lua:114"),
    Known("modules_enabled", "list", "core/modulemanager.lua:113"),
    Known(
        "network_backend",
        "enum",
        "net/server.lua:19",
        choices=("epoll", "event", "select"),
        default='"epoll"',
    ),
    Known("network_default_read_size", "integer|string", "core/portmanager.lua:34"),
    Known("network_settings", "table", "net/server.lua:117"),
    Known("plugin_paths", "list", "util/startup.lua:304"),
    Known("pidfile", "path", "util/startup.lua:740"),
    Known("plugin_server", "string", "bin/prosodyctl:95"),
    Known("prosodyctl_service_warnings", "boolean", "bin/prosodyctl:184"),
    Known("prosodyctl_timeout", "number", "bin/prosodyctl:81"),
    Known("registration_whitelist", "list", "modules/mod_register_limits.lua:21"),
    Known("remove_permissions", "table", "modules/mod_authz_internal.lua:104", only="13.0"),
    Known("s2s_allow_encryption", "boolean", "modules/mod_tls.lua:15"),
    Known("storage_archive_item_limit_cache_size", "integer", "modules/mod_storage_sql.lua:178"),
    Known("prosody_group", "string", "util/startup.lua:588"),
    Known("prosody_user", "string", "util/startup.lua:587"),
    Known("pubsub_summary_templates", "table", "modules/mod_pubsub/mod_pubsub.lua:141"),
    Known(
        "restrict_room_creation",
        "enum",
        "modules/muc/mod_muc.lua:416",
        choices=(False, True, "local", "admin"),
        default="false",
        only="0.12",
    ),
    Known("run_as_root", "boolean", "util/startup.lua:585"),
    Known("server_info", "list|table", "modules/mod_server_info.lua:3", only="13.0"),
    Known("sql", "table", "modules/mod_storage_sql.lua:922"),
    Known("sql_manage_tables", "boolean", "modules/mod_storage_sql.lua:929"),
    Known("ssl", "table", "core/certmanager.lua:37"),
    Known("c2s_ssl", "table", "modules/mod_tls.lua:48"),
    Known("s2s_ssl", "table", "modules/mod_tls.lua:52"),
    Known("ssl_compression", "boolean", "core/certmanager.lua:194"),
    Known("statistics", "string", "core/statsmanager.lua:16"),
    Known("statistics_config", "table", "core/statsmanager.lua:52"),
    Known("statistics_interval", "number|enum", "core/statsmanager.lua:9", choices=("manual",)),
    Known("strict_deprecate_is_admin", "boolean", "core/usermanager.lua:302", only="13.0"),
    Known("storage", "string|table", "core/storagemanager.lua:103"),
    Known("storage_async_check", "boolean", "core/storagemanager.lua:35"),
    Known("syslog_facility", "string", "core/loggingmanager.lua:250"),
    Known(
        "tls_profile",
        "enum",
        "core/certmanager.lua:324",
        choices=("modern", "intermediate", "old", "legacy"),
    ),
    Known("umask", "string", "util/startup.lua:618", default='"027"'),
    Known("unbound", "table", "net/unbound.lua:47"),
    Known("use_dane", "boolean", "modules/mod_s2s.lua:104"),
    Known("use_ipv4", "boolean", "core/portmanager.lua:25", default="true"),
    Known("use_ipv6", "boolean", "core/portmanager.lua:29", default="true"),
    Known("use_libevent", "boolean", "net/server.lua:21"),
)

INSTEAD = {
    "daemonize": "",  # how Prosody is started is the service's business, not its configuration's
    "no_daemonize": "",
    "disallow_s2s": "modules_disabled: [s2s]",
    "vcard_compatibility": "modules_enabled: [compat_vcard], a module of prosody-modules",
    "blacklist_on_registration_throttle_overload": "blocklist_on_registration_throttle_overload",
    "allow_user_invites_by_roles": "add_permissions",  # modules/mod_invites_adhoc.lua asks for :invite-users
    "deny_user_invites_by_roles": "remove_permissions",
}
"""What took an option's place, in the words of a host's file, where `prosodyctl check` has other words for it."""

MODULES = {
    "13.0": {"posix": ""},  # util/prosodyctl/check.lua:641; Prosody itself does what it did
}
"""Modules that a version still ships and no longer needs → what took their place; empty: nothing."""
