// Waits of the host. Rules are Torch's debug information of a thread, which its backward passes inherit.
#include <c10/util/Exception.h>
#include <c10/util/ThreadLocalDebugInfo.h>

#include <map>
#include <mutex>

#include "fake_gpu/fake_gpu.hpp"

namespace ddls::fake_gpu {

struct Waits : c10::DebugInfoBase {
  Rule rule = Rule::count;
  std::mutex mutex;
  std::map<std::string, int64_t> of;
};

namespace {

constexpr auto slot = c10::DebugInfoKind::TEST_INFO;

Waits* present() { return static_cast<Waits*>(c10::ThreadLocalDebugInfo::get(slot)); }

}  // namespace

Watch::Watch(Rule rule) : mine_(std::make_shared<Waits>()) {
  mine_->rule = rule;
  c10::ThreadLocalDebugInfo::_push(slot, mine_);
}

Watch::~Watch() { c10::ThreadLocalDebugInfo::_pop(slot); }

int64_t Watch::waits() const {
  const std::scoped_lock lock(mine_->mutex);
  int64_t sum = 0;
  for (const auto& [what, count] : mine_->of) sum += count;
  return sum;
}

std::string Watch::text() const {
  const std::scoped_lock lock(mine_->mutex);
  std::string text;
  for (const auto& [what, count] : mine_->of) text += (text.empty() ? "" : ", ") + std::to_string(count) + " x " + what;
  return text;
}

void host_waits(const std::string& what) {
  Waits* const waits = present();
  if (waits == nullptr) return;
  TORCH_CHECK(waits->rule == Rule::count, "fake GPU: the host waits for the device: ", what);
  const std::scoped_lock lock(waits->mutex);
  ++waits->of[what];
}

void host_touches(const std::string& what) {
  const Waits* const waits = present();
  TORCH_CHECK(waits == nullptr || waits->rule != Rule::capture, "fake GPU: ", what, " while a graph is recorded");
}

}  // namespace ddls::fake_gpu
