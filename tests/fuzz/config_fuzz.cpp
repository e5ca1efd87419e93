// A configuration file; what can be read must print as a file that reads to the same values.
#include "config/load.hpp"
#include "fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ddls;
  const auto file = fuzz::put("a.yaml", fuzz::view(data, size));
  std::string printed;
  fuzz::refuses_or_reads([&] { printed = config::to_yaml(config::load_config(file.string(), {}, {})); });
  if (printed.empty()) return 0;
  const auto again = fuzz::put("b.yaml", printed);
  if (config::to_yaml(config::load_config(again.string(), {}, {})) != printed) std::abort();
  return 0;
}
