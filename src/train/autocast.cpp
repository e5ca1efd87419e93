#include "train/autocast.hpp"

#include <ATen/autocast_mode.h>

namespace ddls::train {

Autocast::Autocast(bool enabled, c10::Device device)
    : device_(device.type()), before_(at::autocast::is_autocast_enabled(device_)) {
  at::autocast::set_autocast_enabled(device_, enabled);
  if (enabled) at::autocast::set_autocast_dtype(device_, at::kBFloat16);
  at::autocast::increment_nesting();
}

Autocast::~Autocast() {
  // Weights were cast once per scope; they change before the next.
  if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
  at::autocast::set_autocast_enabled(device_, before_);
}

}  // namespace ddls::train
