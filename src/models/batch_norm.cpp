#include "models/batch_norm.hpp"

#include <ATen/ATen.h>

#include "base/error.hpp"

namespace ddls {

BatchNorm::BatchNorm(int64_t features, double eps) : eps_(eps) {
  weight_ = register_parameter("weight", at::ones({features}));
  bias_ = register_parameter("bias", at::zeros({features}));
  mean_ = register_buffer("mean", at::zeros({features}));
  variance_ = register_buffer("variance", at::ones({features}));
}

at::Tensor BatchNorm::forward(const at::Tensor& x) {
  if (!is_training()) return at::batch_norm(x, weight_, bias_, mean_, variance_, false, 0, eps_, false);
  if (measuring_) {
    std::vector<int64_t> dims{0};
    for (int64_t d = 2; d < x.dim(); ++d) dims.push_back(d);
    const at::Tensor wide = x.detach().to(at::kDouble);
    mean_sum_ += wide.mean(dims);
    variance_sum_ += wide.var(dims, /*unbiased=*/false);
    ++batches_;
  }
  return at::batch_norm(x, weight_, bias_, {}, {}, true, 0, eps_, false);
}

void BatchNorm::begin_measuring() {
  measuring_ = true;
  batches_ = 0;
  mean_sum_ = at::zeros_like(mean_, mean_.options().dtype(at::kDouble));
  variance_sum_ = at::zeros_like(mean_sum_);
}

void BatchNorm::end_measuring() {
  ensure(measuring_ && batches_ > 0, "batch norm statistics were measured on no batch");
  mean_.copy_(mean_sum_ / batches_);
  variance_.copy_(variance_sum_ / batches_);
  measuring_ = false;
}

void measure_statistics(torch::nn::Module& network, const std::function<at::Tensor(const at::Tensor&)>& forward,
                        int64_t batches, const std::function<at::Tensor(int64_t)>& batch) {
  std::vector<BatchNorm*> layers;
  for (const auto& module : network.modules())
    if (auto* layer = module->as<BatchNorm>()) layers.push_back(layer);
  if (!layers.empty()) {
    at::NoGradGuard no_grad;
    network.train();
    for (BatchNorm* layer : layers) layer->begin_measuring();
    for (int64_t i = 0; i < batches; ++i) forward(batch(i));
    for (BatchNorm* layer : layers) layer->end_measuring();
  }
  network.eval();
}

}  // namespace ddls
