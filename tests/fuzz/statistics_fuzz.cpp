// Statistics as others save them (mu, sigma); behind the first four bytes, which are the length of the .npz, stands the
// .json beside it.
#include <cstring>

#include "metrics/statistics_file.hpp"
#include "fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ddls;
  uint32_t length = 0;
  if (size < sizeof length) return 0;
  std::memcpy(&length, data, sizeof length);
  const std::string_view all = fuzz::view(data + sizeof length, size - sizeof length);
  length = std::min(length, static_cast<uint32_t>(all.size()));
  const auto file = fuzz::put("s.npz", all.substr(0, length));
  fuzz::put("s.json", all.substr(length));
  fuzz::refuses_or_reads([&] { metrics::read_statistics(file); });
  return 0;
}
