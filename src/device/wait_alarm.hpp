#pragma once
// For tests: while one lives, Torch's operations that make the host wait for a GPU (a value read, a copy that is not
// from page-locked memory, a result whose size depends on values) throw instead. Nothing where the CUDA parts are not
// built.
#include <memory>

namespace ddls::device {

class WaitAlarm {
 public:
  WaitAlarm();
  ~WaitAlarm();
  WaitAlarm(const WaitAlarm&) = delete;
  WaitAlarm& operator=(const WaitAlarm&) = delete;

 private:
  std::shared_ptr<void> state_;
};

}  // namespace ddls::device
