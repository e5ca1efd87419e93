#include <cstdlib>
#include <map>
#include <mutex>
#include <sstream>
#include <stdexcept>

#include "fake_cuda/fake_cuda.hpp"

namespace ddls::fake_cuda {
namespace {

std::shared_ptr<const Faults> read(const std::string& text) {
  auto faults = std::make_shared<Faults>();
  std::istringstream stream(text);
  for (std::string item; std::getline(stream, item, ',');) {
    const size_t equals = item.find('=');
    if (equals == std::string::npos) throw std::invalid_argument("DDLS_FAKE_CUDA: '" + item + "' has no value");
    const std::string key = item.substr(0, equals), value = item.substr(equals + 1);
    const std::map<std::string, bool*> switches{{"abort_hangs", &faults->abort_hangs},
                                                {"nonblocking", &faults->nonblocking},
                                                {"no_stream_waits", &faults->no_stream_waits},
                                                {"differ_hangs", &faults->differ_hangs}};
    if (key == "kind") {
      faults->kind = value;
    } else if (key == "rank") {
      faults->rank = std::stoi(value);
    } else if (key == "at") {
      faults->at = std::stoull(value);
    } else if (key == "ms") {
      faults->milliseconds = std::stoi(value);
    } else if (switches.contains(key)) {
      *switches.at(key) = value == "1";
    } else {
      throw std::invalid_argument("DDLS_FAKE_CUDA: there is no '" + key + "'");
    }
  }
  return faults;
}

struct Present {
  std::mutex mutex;
  std::shared_ptr<const Faults> faults;
};

Present& present() {
  static auto* const one = [] {
    const char* const set = std::getenv("DDLS_FAKE_CUDA");
    auto* const made = new Present;
    made->faults = read(set == nullptr ? "" : set);
    return made;
  }();
  return *one;
}

}  // namespace

std::shared_ptr<const Faults> faults() {
  const std::scoped_lock lock(present().mutex);
  return present().faults;
}

void set_faults(const std::string& text) {
  auto made = read(text);
  const std::scoped_lock lock(present().mutex);
  present().faults = std::move(made);
}

}  // namespace ddls::fake_cuda
