// --set path.to.key=value: one per line.
#include "config/load.hpp"
#include "fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ddls;
  std::vector<std::string> overrides;
  const std::string_view all = fuzz::view(data, size);
  for (size_t at = 0, end = 0; at < all.size(); at = end + 1) {
    end = std::min(all.find('\n', at), all.size());
    overrides.emplace_back(all.substr(at, end - at));
  }
  fuzz::scratch();
  fuzz::refuses_or_reads([&] { config::to_yaml(config::load_config("", overrides, {})); });
  return 0;
}
