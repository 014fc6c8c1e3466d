# Validate a configuration as a careful person would.
home=$1
luac5.4 -p "$home/etc/prosody.cfg.lua"
prosodyctl --config "$home/etc/prosody.cfg.lua" check config >/dev/null || [ $? -ne 1 ]
