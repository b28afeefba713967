-- Shared by every script: lines of the input file, dealt out to the threads, and one line of JSON at the end.
-- Where there are as many threads as connections, each thread is one client that waits for its answer.
local ffi = require("ffi")
ffi.cdef [[
  typedef struct { long seconds; long nanoseconds; } moment_t;
  int clock_gettime(int clock, moment_t *moment);
]]
local moment = ffi.new("moment_t")
local MONOTONIC = ffi.os == "OSX" and 6 or 1

function milliseconds()
  ffi.C.clock_gettime(MONOTONIC, moment)
  return tonumber(moment.seconds) * 1000 + tonumber(moment.nanoseconds) / 1e6
end

local threads = {}

function setup(thread)
  thread:set("number", #threads)
  threads[#threads + 1] = thread
end

-- The lines of a file that are this thread's own: every `threads`-th, beginning with its number.
function own_lines(path, number, count)
  local found, index = {}, 0
  for line in io.lines(path) do
    if index % count == number then found[#found + 1] = line end
    index = index + 1
  end
  return found
end

statuses = {}
accepted = {}

function count(status)
  local name = "s" .. status
  statuses[name] = (statuses[name] or 0) + 1
end

local function percentile(sorted, share)
  return sorted[math.max(1, math.ceil(#sorted * share))] or -1
end

function done(summary, latency, requests)
  local total, times = {}, {}
  for _, thread in ipairs(threads) do
    for name, number in pairs(thread:get("statuses") or {}) do
      total[name] = (total[name] or 0) + number
    end
    for _, time in ipairs(thread:get("accepted") or {}) do times[#times + 1] = time end
  end
  table.sort(times)
  local parts = {}
  for name, number in pairs(total) do parts[#parts + 1] = string.format('"%s":%d', name:sub(2), number) end
  local errors = summary.errors
  io.write(string.format(
    '\nBENCH {"requests":%d,"seconds":%.6f,"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d,'
      .. '"p50_ms":%.4f,"p99_ms":%.4f,"max_ms":%.4f,"accepted":%d,"accepted_p99_ms":%.4f,"statuses":{%s}}\n',
    summary.requests, summary.duration / 1e6, errors.connect, errors.read, errors.write, errors.status,
    errors.timeout, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3,
    #times, percentile(times, 0.99), table.concat(parts, ",")))
end
