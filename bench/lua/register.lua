-- Open an account under a name that was never used: run, thread and a counter.
local here = debug.getinfo(1, "S").source:match("^@(.*/)")
dofile(here .. "common.lua")

local run, password, headers, turn = "", "", {}, 0

function init(args)
  run, password = args[1], args[2]
  headers["Content-Type"] = "application/json"
  for key, text in pairs(wrk.headers) do headers[key] = text end
end

function request()
  turn = turn + 1
  local name = string.format("p%s-%d-%d", run, number, turn)
  local body = string.format('{"username":"%s","email":"%s@example.org","password":"%s"}', name, name, password)
  return wrk.format("POST", nil, headers, body)
end

function response(status)
  count(status)
end
