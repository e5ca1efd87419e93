#include "models/initialise.hpp"

#include <torch/torch.h>

#include <cmath>

#include "tensor/noise.hpp"

namespace ddls {

void initialise_uniform_fan_in(Network& network, uint64_t seed, int64_t key) {
  torch::NoGradGuard no_grad;
  int64_t index = 0;
  double bound = 1;
  for (at::Tensor& p : network.parameters()) {   // a layer's weight comes before its bias
    if (p.dim() > 1) bound = 1 / std::sqrt(static_cast<double>(p.numel() / p.size(0)));
    const at::Tensor u = Noise{seed}.uniform({index, index + 1}, p.numel(), key, Stream::init).view(p.sizes());
    p.copy_((u * 2 - 1) * bound);
    ++index;
  }
}

void initialise_normal(Network& network, double sd, uint64_t seed, int64_t key) {
  torch::NoGradGuard no_grad;
  int64_t index = 0;
  for (auto& named : network.named_parameters()) {
    at::Tensor& p = named.value();
    if (p.dim() > 1) {
      p.copy_(Noise{seed}.normal({index, index + 1}, p.numel(), key, Stream::init).view(p.sizes()) * sd);
    } else if (named.key().ends_with("bias")) {
      p.zero_();
    }
    ++index;
  }
}

}  // namespace ddls
