-- GET with one of many credentials: each line of the file is a header. `pause` is the think time in milliseconds.
local here = debug.getinfo(1, "S").source:match("^@(.*/)")
dofile(here .. "common.lua")

local prepared, turn, pause = {}, 0, 0

function init(args)
  pause = tonumber(args[2] or "0")
  for _, line in ipairs(own_lines(args[1], 0, 1)) do
    local name, value = line:match("^([^:]+): (.*)$")
    local headers = {}
    for key, text in pairs(wrk.headers) do headers[key] = text end
    if name then headers[name] = value end
    prepared[#prepared + 1] = wrk.format("GET", nil, headers)
  end
  if #prepared == 0 then prepared[1] = wrk.format("GET") end -- an empty file: no credential
  turn = number * 7
  if pause > 0 then
    math.randomseed(number + 1)
    delay = function() return math.random(1, 2 * pause) end
  end
end

function request()
  turn = turn + 1
  return prepared[turn % #prepared + 1]
end
