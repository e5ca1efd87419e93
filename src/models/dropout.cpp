#include "models/dropout.hpp"

#include <ATen/ATen.h>

#include "base/error.hpp"
#include "tensor/noise.hpp"

namespace ddls::models {
namespace {

constexpr int64_t max_calls = 16;  // forwards of one network in one update
constexpr int64_t samples_per_layer = int64_t{1} << 40;

}  // namespace

at::Tensor Dropout::forward(const at::Tensor& x) {
  if (!is_training() || share_ == 0) return x;
  ensure(keyed_, "a network with dropout is trained without key_dropout()");
  ensure(calls_ < max_calls, "more than {} forwards with one dropout key", max_calls);
  const int64_t first = index_ * samples_per_layer + first_sample_;
  const at::Tensor draws = tensor::Noise{seed_}.uniform({first, first + x.size(0)}, x.size(1),
                                                        step_ * max_calls + calls_++, Stream::dropout, x.device());
  return x * (draws >= share_).to(x.scalar_type()).div_(1 - share_);
}

void Dropout::set_key(uint64_t seed, int64_t step, int64_t first_sample) {
  keyed_ = true;
  seed_ = seed;
  step_ = step;
  first_sample_ = first_sample;
  calls_ = 0;
}

void key_dropout(torch::nn::Module& network, uint64_t seed, int64_t step, int64_t first_sample) {
  for (const auto& module : network.modules())
    if (auto* layer = module->as<Dropout>()) layer->set_key(seed, step, first_sample);
}

}  // namespace ddls::models
