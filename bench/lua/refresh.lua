-- Each thread is one client with one connection and sessions of its own: the successor in each answer is the next token
-- to show for that session, as rotation wants it. The file holds a refresh token a line.
local here = debug.getinfo(1, "S").source:match("^@(.*/)")
dofile(here .. "common.lua")

local tokens, headers, turn = {}, {}, 0

function init(args)
  tokens = own_lines(args[1], number, tonumber(args[2]))
  headers["Content-Type"] = "application/json"
  for key, text in pairs(wrk.headers) do headers[key] = text end
end

function request()
  turn = turn % #tokens + 1
  return wrk.format("POST", nil, headers, '{"refresh_token":"' .. tokens[turn] .. '"}')
end

function response(status, _, body)
  count(status)
  if status == 200 then tokens[turn] = body:match('"refresh_token":%s*"([^"]+)"') end
end
