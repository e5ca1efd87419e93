#pragma once
// Out of autocast for a scope: it would take products of weights in bfloat16, 0.4 % off.
#include <c10/core/impl/LocalDispatchKeySet.h>

namespace ddls::tensor {

struct NoAutocast {
  c10::impl::ExcludeDispatchKeyGuard guard{c10::autocast_dispatch_keyset};
};

}  // namespace ddls::tensor
