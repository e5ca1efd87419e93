#include "inference/modulation.hpp"

#include <ATen/ATen.h>

#include "inference/activation.hpp"
#include "inference/frozen.hpp"

namespace ddls::inference {
namespace {

class FirstLatents : public Operation {
 public:
  explicit FirstLatents(int64_t part) : part_(part) {}

  at::Tensor forward(at::Tensor z, Tape& tape) const override {
    tape.lend_latents(z);
    return z.narrow(1, 0, part_).contiguous();
  }
  at::Tensor vjp(at::Tensor dy, Tape& tape) const override {
    tape.add_latent_gradient(0, dy);
    return tape.take_latent_gradient();
  }
  OperationWork work(Pass, at::IntArrayRef) const override { return {.kind = "rearrangement"}; }

 private:
  int64_t part_;
};

class ModulatedNormAndRelu : public Operation {
 public:
  ModulatedNormAndRelu(const FeatureMap& map, at::ScalarType type, int64_t first_latent)
      : features_(map.scale.size(1)),
        first_(first_latent),
        latents_(map.by_latents.size(1)),
        label_inputs_(map.label_inputs),
        by_labels_(at::cat({map.scale, map.shift}, 1).to(type)),
        by_latents_(map.by_latents.to(type), {}),
        vjp_(map.by_latents.t().to(type), {}) {}

  at::Tensor forward(at::Tensor x, Tape& tape) const override {
    const at::Tensor modulation = by_latents_(tape.latents().narrow(1, first_, latents_).contiguous())
                                      .add_(at::embedding(by_labels_, tape.labels()));
    const at::Tensor scale = over_positions(modulation.narrow(1, 0, features_)),
                     shift = over_positions(modulation.narrow(1, features_, features_));
    at::Tensor y = relu_activation.apply(at::addcmul(shift, x, scale));
    tape.push(scale);
    tape.push(x);
    tape.push(y);
    return y;
  }
  at::Tensor vjp(at::Tensor dy, Tape& tape) const override {
    dy = relu_activation.vjp_from(std::move(dy), tape);
    const at::Tensor x = tape.pop(), scale = tape.pop();
    const at::Tensor d_modulation = at::cat({(dy * x).sum({2, 3}), dy.sum({2, 3})}, 1);
    tape.add_latent_gradient(first_, vjp_(d_modulation));
    return dy.mul_(scale);
  }
  OperationWork work(Pass pass, at::IntArrayRef) const override {
    OperationWork work = (pass == Pass::forward ? by_latents_ : vjp_).work();
    work.kind = "modulated norm and ReLU";
    work.plain_multiply_adds += 2 * features_ * label_inputs_;
    return work;
  }

 private:
  static at::Tensor over_positions(const at::Tensor& values) { return values.unsqueeze(-1).unsqueeze(-1); }

  int64_t features_, first_, latents_, label_inputs_;
  at::Tensor by_labels_;  // [classes, 2 features]
  FrozenProduct by_latents_, vjp_;
};

}  // namespace

OperationPtr first_latents(int64_t part) { return std::make_unique<FirstLatents>(part); }

OperationPtr modulated_norm_and_relu(const FeatureMap& map, at::ScalarType type, int64_t first_latent) {
  return std::make_unique<ModulatedNormAndRelu>(map, type, first_latent);
}

}  // namespace ddls::inference
