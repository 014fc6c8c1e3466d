-- What would a Prosody load? Asks Prosody's own loader, so that there is no second opinion on its language.
--
-- `request` is set by the line before this script: source, path, texts, fragments. Each text is loaded as if it lay
-- at `path`. A configuration is a program: it may print, and it may change every global. So the answer is the last
-- line of what we print, and everything we need is taken before the first one runs.

local request = request;
local debug_getinfo, load, pcall, type, tostring, next, rawget =
	debug.getinfo, load, pcall, type, tostring, next, rawget;
local sort, concat = table.sort, table.concat;
local format, gsub, lower, find, sub, byte =
	string.format, string.gsub, string.lower, string.find, string.sub, string.byte;
local math_type = math.type or function (n) return n % 1 == 0 and "integer" or "float"; end
local io_open, stdout, exit = io.open, io.stdout, os.exit;
local write, flush = stdout.write, stdout.flush;

-- 13.0 looks for a line of a file by its name, which Lua shortens: of a name over 59 bytes it finds none and fails
-- itself (core/configmanager.lua of 13.0.1, get_line_number). A staged name is longer than the real one.
local getinfo = debug.getinfo;
debug.getinfo = function (level, ...)
	local info = getinfo(type(level) == "number" and level + 1 or level, ...);
	if info and info.source and sub(info.source, 1, 1) == "@" then info.short_src = sub(info.source, 2); end
	return info;
end

package.path = request.source .. "/?.lua;" .. package.path;
package.cpath = request.source .. "/?.so;" .. package.cpath;
local loader = io_open(request.source .. "/loader.lua"); -- 13.0 knows its modules by two names
if loader then
	loader:close();
	if not pcall(require, "prosody.loader") then require "loader"; end
end

local configmanager = require "core.configmanager";
local encode = require "util.json".encode;
local load_config, getconfig = configmanager.load, configmanager.getconfig;
if configmanager.set_credential_fallback_mode then
	configmanager.set_credential_fallback_mode("warn"); -- credentials belong to the service, not to us
end

-- Words in a name that say that the value is nobody's business
local hidden_words = { "pass", "secret", "token", "credential", "hmac", "private", "key" };

local function is_hidden(name)
	if type(name) ~= "string" then return false; end
	for i = 1, #hidden_words do
		if find(lower(name), hidden_words[i], 1, true) then return true; end
	end
	return false;
end

local function quoted(text)
	return '"' .. gsub(text, '[\0-\31"\\\127-\255]', function (c)
		return format("\\%03d", byte(c));
	end) .. '"';
end

local function by_kind_and_value(a, b)
	local ka, kb = type(a), type(b);
	if ka ~= kb then return ka < kb; end
	if ka == "number" or ka == "string" then return a < b; end
	return tostring(a) < tostring(b);
end

-- One text for each value: equal values, equal texts. With `masked`, what has a secret's name is not told.
local function canonical(value, masked, above)
	local kind = type(value);
	if kind == "string" then return quoted(value); end
	if kind == "number" then
		return math_type(value) == "integer" and format("%d", value) or format("%.17g", value);
	end
	if kind == "boolean" then return tostring(value); end
	if kind ~= "table" then return "(" .. kind .. ")"; end
	if above[value] then return "(itself)"; end
	above[value] = true;
	local parts, length = {}, 0;
	while rawget(value, length + 1) ~= nil do
		length = length + 1;
		parts[length] = canonical(rawget(value, length), masked, above);
	end
	local keys = {};
	for key in next, value do
		if not (type(key) == "number" and math_type(key) == "integer" and key >= 1 and key <= length) then
			keys[#keys + 1] = key;
		end
	end
	sort(keys, by_kind_and_value);
	for i = 1, #keys do
		local key = keys[i];
		local name = type(key) == "string" and find(key, "^[%a_][%w_]*$") and key or "[" .. canonical(key, masked, above) .. "]";
		local shown = masked and is_hidden(key) and "***" or canonical(rawget(value, key), masked, above);
		parts[#parts + 1] = name .. " = " .. shown;
	end
	above[value] = nil;
	return "{" .. concat(parts, ", ") .. "}";
end

local function described(config)
	local scopes, shown = {}, {};
	for scope, options in next, config do
		local names, masks = {}, {};
		for option, value in next, options do
			local name = tostring(option);
			names[name] = canonical(value, false, {});
			local mask = is_hidden(option) and "***" or canonical(value, true, {});
			if mask ~= names[name] then masks[name] = mask; end
		end
		scopes[scope], shown[scope] = names, masks;
	end
	return scopes, shown;
end

-- The beginning of an error about this file: Lua shortens long names.
local short = debug_getinfo(load("", "@" .. request.path), "S").short_src;

local function refusal(err)
	local text = tostring(err);
	local line = 0;
	if sub(text, 1, #short + 1) == short .. ":" then
		local _, last, number = find(text, "^(%d+):%s*", #short + 2);
		if number then
			line, text = number + 0, sub(text, last + 1);
		end
	end
	return { error = text, line = line };
end

-- What decides the answer besides the text: each file that is opened while it runs.
local opened = {};
local function noted(open)
	return function (name, ...)
		if type(name) == "string" then opened[name] = true; end
		return open(name, ...);
	end;
end
io_open, dofile, loadfile = noted(io_open), noted(dofile), noted(loadfile);

local function loaded(text)
	-- The loader opens the file by name; the first time it gets our text instead.
	io.open = function (name, ...)
		if name ~= request.path then return io_open(name, ...); end
		io.open = io_open;
		return { read = function () return text; end, close = function () end };
	end;
	local ran, ok, _, err = pcall(load_config, request.path, "lua");
	io.open = io_open;
	if not ran then return refusal(ok); end
	if not ok then return refusal(err); end
	local scopes, shown = described(getconfig());
	return { scopes = scopes, shown = shown };
end

-- Lua of the desired state must stand by itself, or it would swallow what is written after it.
local function complaint(fragment)
	local before, after, above = "", "", 0;
	local chunk, err;
	if fragment.expression then
		chunk, err = load("return " .. fragment.text, "=lua", "t");
		if not chunk then return err, 0; end
		before, after, above = "return (\n", "\n)", 1;
	end
	chunk, err = load(before .. fragment.text .. after, "=lua", "t");
	return not chunk and err or nil, above;
end

local function judged(fragment)
	local err, above = complaint(fragment);
	if not err then return false; end
	local _, last, number = find(err, "^lua:(%d+):%s*");
	return { error = number and sub(err, last + 1) or err, line = number and number - above or 0 };
end

local answer = { fragments = {}, texts = {}, opened = {} };
for i = 1, #request.fragments do
	answer.fragments[i] = judged(request.fragments[i]);
end
for i = 1, #request.texts do
	answer.texts[i] = loaded(request.texts[i]);
end
for name in next, opened do
	answer.opened[#answer.opened + 1] = name;
end
write(stdout, "\n", encode(answer), "\n");
flush(stdout);
exit(0);
