-- One line of JSON at the end; times in microseconds.
done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    'JSON {"p50": %.1f, "p95": %.1f, "p99": %.1f, "requests": %d, "microseconds": %d, "bytes": %d, "bad": %d}\n',
    latency:percentile(50), latency:percentile(95), latency:percentile(99),
    summary.requests, summary.duration, summary.bytes,
    errors.status + errors.connect + errors.read + errors.write + errors.timeout))
end
