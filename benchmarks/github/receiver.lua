-- Posts signed payloads in turn, each with a GUID of its own. DELIVERIES names a Lua file that returns them.
local deliveries = dofile(os.getenv("DELIVERIES"))
local number = 0
local prefix = os.getenv("PREFIX")

function request()
  number = number + 1
  local one = deliveries[number % #deliveries + 1]
  return wrk.format("POST", os.getenv("HOOK"), {
    ["Content-Type"] = "application/json",
    ["X-GitHub-Event"] = one[1],
    ["X-GitHub-Delivery"] = prefix .. "-" .. number,
    ["X-Hub-Signature-256"] = one[2],
  }, one[3])
end

function done(summary, latency, requests)
  local bad = summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout
  io.stderr:write(string.format('{"requests": %d, "seconds": %f, "p99_ms": %f, "bad": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(99) / 1e3, bad))
end
