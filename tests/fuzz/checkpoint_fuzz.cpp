// A checkpoint's manifest and state; state.json is what stands behind the first zero byte, and the manifest's sum of it
// is the right one where the manifest is empty.
#include "base/files.hpp"
#include "fuzz.hpp"
#include "train/checkpoint.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ddls;
  const std::string_view all = fuzz::view(data, size);
  const size_t zero = std::min(all.find('\0'), all.size());
  std::string manifest(all.substr(0, zero));
  const std::string_view state = all.substr(std::min(zero + 1, all.size()));
  if (manifest.empty())
    manifest = fmt::format(R"({{"schema": 1, "files": {{"state.json": {{"bytes": {}, "sha256": "{}"}}}}}})",
                           state.size(), sha256(state));
  fuzz::put("manifest.json", manifest);
  fuzz::put("state.json", state);
  fuzz::refuses_or_reads([&] { train::read_checkpoint(fuzz::scratch()); });
  return 0;
}
