#include "models/initialise.hpp"

#include <ATen/ATen.h>

#include <cmath>

#include "models/layers.hpp"
#include "models/network.hpp"
#include "tensor/noise.hpp"

namespace ddls::models {

void initialise_uniform_fan_in(Network& network, uint64_t seed, int64_t key) {
  at::NoGradGuard no_grad;
  int64_t index = 0;
  double bound = 1;
  for (at::Tensor& p : network.parameters()) {  // a layer's weight comes before its bias
    if (p.dim() > 1) bound = 1 / std::sqrt(static_cast<double>(p.numel() / p.size(0)));
    const at::Tensor u = tensor::Noise{seed}.uniform({index, index + 1}, p.numel(), key, Stream::init).view(p.sizes());
    p.copy_((u * 2 - 1) * bound);
    ++index;
  }
}

namespace {

// Directions of spectral norm have ids of their own, beyond those of any parameter.
constexpr int64_t first_spectral_id = int64_t{1} << 32;

bool is_class_table(const std::string& name) { return name.ends_with("gains") || name.ends_with("offsets"); }

at::Tensor normal_like(const at::Tensor& p, uint64_t seed, int64_t key, int64_t id) {
  return tensor::Noise{seed}.normal({id, id + 1}, p.numel(), key, Stream::init).view(p.sizes());
}

at::Tensor uniform_like(const at::Tensor& p, uint64_t seed, int64_t key, int64_t id) {  // U(-1, 1)
  return tensor::Noise{seed}.uniform({id, id + 1}, p.numel(), key, Stream::init).view(p.sizes()) * 2 - 1;
}

// fill(name, parameter, index) for the weights, zeros for the biases.
template <typename Fill>
void initialise_weights(Network& network, Fill fill) {
  at::NoGradGuard no_grad;
  int64_t index = 0;
  for (auto& named : network.named_parameters()) {
    at::Tensor& p = named.value();
    if (p.dim() > 1 && !is_class_table(named.key()))
      fill(named.key(), p, index);
    else if (named.key().ends_with("bias"))
      p.zero_();
    ++index;
  }
}

// Weights N(0, sd(parameter)^2).
template <typename Deviation>
void initialise_gaussian(Network& network, uint64_t seed, int64_t key, Deviation deviation) {
  initialise_weights(network, [&](const std::string&, at::Tensor& p, int64_t index) {
    p.copy_(normal_like(p, seed, key, index) * deviation(p));
  });
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
      p.copy_(tensor::Noise{seed}.uniform({index, index + 1}, p.numel(), key, Stream::init).view(p.sizes()) * 2 - 1);
      return;
    }
    ++index;
  }
}

void initialise_glorot(Network& network, uint64_t seed, int64_t key) {
  initialise_weights(network, [&](const std::string& name, at::Tensor& p, int64_t index) {
    const bool residual = name.ends_with(".conv1.weight") || name.ends_with(".conv2.weight");
    const auto fans = static_cast<double>(p.numel() / p.size(0) + p.numel() / p.size(1));
    p.copy_(uniform_like(p, seed, key, index) * (std::sqrt(6 / fans) * (residual ? std::sqrt(2.0) : 1.0)));
  });
}

void initialise_orthogonal(Network& network, uint64_t seed, int64_t key) {
  initialise_weights(network, [&](const std::string&, at::Tensor& p, int64_t index) {
    at::Tensor matrix = normal_like(p, seed, key, index).flatten(1);
    const bool wide = matrix.size(0) < matrix.size(1);
    if (wide) matrix = matrix.t();
    const auto [q, r] = at::linalg_qr(matrix);
    at::Tensor orthogonal = q * r.diagonal().sign();  // Haar measure, whatever signs the factorisation chose
    if (wide) orthogonal = orthogonal.t();
    p.copy_(orthogonal.reshape(p.sizes()));
  });
}

void initialise_torch_default(Network& network, uint64_t seed, int64_t key) {
  at::NoGradGuard no_grad;
  int64_t index = 0;
  for (const auto& module : network.modules()) {
    auto* layer = module->as<Layer>();
    if (layer == nullptr) continue;
    const bool embedding = module->as<Embedding>() != nullptr;
    at::Tensor weight = layer->raw_weight(), bias = layer->bias();
    const double bound = 1 / std::sqrt(static_cast<double>(weight.numel() / weight.size(0)));
    weight.copy_(embedding ? normal_like(weight, seed, key, index) : uniform_like(weight, seed, key, index) * bound);
    if (bias.defined()) bias.copy_(uniform_like(bias, seed, key, index + 1) * bound);
    index += 2;
  }
}

void initialise_spectral_norm(Network& network, uint64_t seed, int64_t key, int64_t iterations) {
  int64_t id = first_spectral_id;
  for (const auto& module : network.modules()) {
    auto* layer = module->as<Layer>();
    if (layer == nullptr || !layer->spectral()) continue;
    layer->set_u(tensor::Noise{seed}.normal({id, id + 1}, layer->outputs(), key, Stream::init).flatten());
    for (int64_t i = 0; i < iterations; ++i) layer->power_iteration();
    ++id;
  }
}

}  // namespace ddls::models
