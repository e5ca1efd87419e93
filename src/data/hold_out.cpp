#include "data/hold_out.hpp"

#include <ATen/ATen.h>

#include "base/error.hpp"
#include "base/files.hpp"

namespace ddls::data {

HeldOut hold_out(const Dataset& whole, int64_t count, uint64_t seed) {
  if (count == 0) return {whole, {}};
  if (count >= whole.size())
    fail(Exit::config, "train.calibration.held_out: {} of the {} samples of '{}' cannot be held out; choose fewer",
         count, whole.size(), whole.name);
  at::Tensor held = at::zeros({whole.size()}, at::kBool);
  held.index_fill_(0, EpochOrder(hash64("held out", seed), whole.size()).ids(0, count), true);
  const auto ids_where = [](const at::Tensor& mask) { return mask.nonzero().squeeze(1); };
  return {whole.part(ids_where(~held), whole.name), whole.part(ids_where(held), whole.name + ", held out")};
}

}  // namespace ddls::data
