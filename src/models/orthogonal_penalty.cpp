#include "models/orthogonal_penalty.hpp"

#include <ATen/ATen.h>

#include "base/error.hpp"
#include "models/layers.hpp"
#include "models/network.hpp"

namespace ddls::models {

at::Tensor orthogonal_penalty(const Network& network) {
  at::Tensor sum;
  for (const auto& module : network.modules()) {
    const auto* layer = module->as<Layer>();
    if (layer == nullptr || module->as<Embedding>() != nullptr) continue;
    const at::Tensor w = layer->matrix();
    const at::Tensor penalty = at::mm(w, w.t()).tril(-1).square().sum() * 2;  // the products are symmetric
    sum = sum.defined() ? sum + penalty : penalty;
  }
  ensure(sum.defined(), "orthogonal regularisation of a network without weights");
  return sum;
}

}  // namespace ddls::models
