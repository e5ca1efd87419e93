#include "device/wait_alarm.hpp"

#include <c10/cuda/CUDAFunctions.h>

namespace ddls::device {

WaitAlarm::WaitAlarm() { c10::cuda::warning_state().set_sync_debug_mode(c10::cuda::SyncDebugMode::L_ERROR); }
WaitAlarm::~WaitAlarm() { c10::cuda::warning_state().set_sync_debug_mode(c10::cuda::SyncDebugMode::L_DISABLED); }

}  // namespace ddls::device
