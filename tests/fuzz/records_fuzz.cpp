// metrics.jsonl at the start of a run, and the provenance of statistics kept between runs.
#include "base/json_lines.hpp"
#include "metrics/statistics_file.hpp"
#include "fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ddls;
  const std::string_view all = fuzz::view(data, size);
  const auto lines = fuzz::put("metrics.jsonl", all);
  fuzz::refuses_or_reads([&] {
    drop_records_after(lines, "gan", 5);
    if (drop_records_after(lines, "gan", 5) != 0) std::abort();
  });
  fuzz::put("a.json", all);
  fuzz::refuses_or_reads([&] { metrics::read_provenance(fuzz::scratch() / "a.npz"); });
  return 0;
}
