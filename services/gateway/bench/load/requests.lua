-- What wrk sends: requests as browsers make them, each for a host at random.
-- Arguments: how many hosts there are, the path, what Connection says, the longest pause before a request in ms.

local hosts, head, tail

function init(args)
  local path, connection, longestPauseMs = args[2], args[3], tonumber(args[4])
  hosts = tonumber(args[1])
  math.randomseed(os.time())
  head = "GET " .. path .. " HTTP/1.1\r\nHost: t%07d.bench.test\r\n"
  tail = "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0\r\n"
    .. "Accept: application/json, */*;q=0.8\r\n"
    .. "Accept-Language: en-US,en;q=0.5\r\n"
    .. "Accept-Encoding: gzip, deflate, br\r\n"
    .. "Connection: " .. connection .. "\r\n\r\n"
  -- wrk asks for it wherever it is defined.
  if longestPauseMs > 0 then
    function delay() return math.random(0, longestPauseMs) end
  end
end

function request()
  return head:format(math.random(0, hosts - 1)) .. tail
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests":%d,"seconds":%f,"bytes":%d,"refused":%d,"broken":%d,"p50Ms":%f,"p99Ms":%f}\n',
    summary.requests, summary.duration / 1e6, summary.bytes,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3
  ))
end
