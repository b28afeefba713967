-- Sign in as somebody of the file's names. Counts by status; with one connection a thread also times what was accepted.
local here = debug.getinfo(1, "S").source:match("^@(.*/)")
dofile(here .. "common.lua")

local prepared, begun, timed, pause = {}, 0, false, 0

function init(args)
  local password = args[2]
  timed = args[3] == "timed"
  pause = tonumber(args[4] or "0")
  local headers = { ["Content-Type"] = "application/json" }
  for key, text in pairs(wrk.headers) do headers[key] = text end
  for _, name in ipairs(own_lines(args[1], 0, 1)) do
    prepared[#prepared + 1] = wrk.format("POST", nil, headers, '{"login":"' .. name .. '","password":"' .. password .. '"}')
  end
  math.randomseed(number * 7919 + os.time())
  if pause > 0 then delay = function() return math.random(0, 2 * pause) end end
end

function request()
  begun = milliseconds()
  return prepared[math.random(#prepared)]
end

function response(status)
  count(status)
  if timed and status == 200 then accepted[#accepted + 1] = milliseconds() - begun end
end
