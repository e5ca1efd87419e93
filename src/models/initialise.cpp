#include "models/initialise.hpp"

#include <ATen/ATen.h>

#include <cmath>

#include "models/network.hpp"
#include "tensor/noise.hpp"

namespace ddls {

void initialise_uniform_fan_in(Network& network, uint64_t seed, int64_t key) {
  at::NoGradGuard no_grad;
  int64_t index = 0;
  double bound = 1;
  for (at::Tensor& p : network.parameters()) {  // a layer's weight comes before its bias
    if (p.dim() > 1) bound = 1 / std::sqrt(static_cast<double>(p.numel() / p.size(0)));
    const at::Tensor u = Noise{seed}.uniform({index, index + 1}, p.numel(), key, Stream::init).view(p.sizes());
    p.copy_((u * 2 - 1) * bound);
    ++index;
  }
}

namespace {

// Weights N(0, sd(parameter)^2), biases 0; gains of batch norms stay 1.
template <typename Deviation>
void initialise_gaussian(Network& network, uint64_t seed, int64_t key, Deviation deviation) {
  at::NoGradGuard no_grad;
  int64_t index = 0;
  for (auto& named : network.named_parameters()) {
    at::Tensor& p = named.value();
    if (p.dim() > 1)
      p.copy_(Noise{seed}.normal({index, index + 1}, p.numel(), key, Stream::init).view(p.sizes()) * deviation(p));
    else if (named.key().ends_with("bias"))
      p.zero_();
    ++index;
  }
}

}  // namespace

void initialise_normal(Network& network, double sd, uint64_t seed, int64_t key) {
  initialise_gaussian(network, seed, key, [sd](const at::Tensor&) { return sd; });
}

void initialise_he(Network& network, double slope, double last_gain, uint64_t seed, int64_t key) {
  at::Tensor last;
  for (const at::Tensor& p : network.parameters())
    if (p.dim() > 1) last = p;
  initialise_gaussian(network, seed, key, [&](const at::Tensor& p) {
    const double fan_in = static_cast<double>(p.numel() / p.size(0));
    return std::sqrt(2 / ((1 + slope * slope) * fan_in)) * (p.is_same(last) ? last_gain : 1);
  });
}

void initialise_mlp(Network& network, uint64_t seed, int64_t key) {
  initialise_he(network, 0, std::sqrt(0.5), seed, key);
  at::NoGradGuard no_grad;
  int64_t index = 0;
  for (at::Tensor& p : network.parameters()) {
    if (p.dim() == 1) {
      p.copy_(Noise{seed}.uniform({index, index + 1}, p.numel(), key, Stream::init).view(p.sizes()) * 2 - 1);
      return;
    }
    ++index;
  }
}

}  // namespace ddls
