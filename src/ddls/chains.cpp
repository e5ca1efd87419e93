#include "ddls/chains.hpp"

#include <ATen/ATen.h>

namespace ddls::sampling {

Chains start_chains(IdRange ids, const Target& target, const tensor::Noise& noise, int64_t draw) {
  Chains chains;
  chains.ids = ids;
  chains.z = noise.normal(ids, target.latent_dim, draw, Stream::prior, target.device);
  chains.labels = target.labels_at(ids);
  chains.now = target.evaluate(chains.z, chains.labels);
  return chains;
}

void move_where(const at::Tensor& mask, const at::Tensor& z, const Evaluation& there, Chains& chains) {
  const at::Tensor rows = mask.unsqueeze(1);
  chains.z = at::where(rows, z, chains.z);
  chains.now = {at::where(mask, there.log_prior, chains.now.log_prior),
                at::where(mask, there.log_ratio, chains.now.log_ratio),
                at::where(rows, there.grad_log_ratio, chains.now.grad_log_ratio)};
}

at::Tensor padded_rows(const at::Tensor& rows, int64_t size) {
  return at::cat({rows, rows.narrow(0, 0, 1).expand({size - rows.size(0)})});
}

Candidates evaluate_rows(const Chains& chains, const at::Tensor& rows, const at::Tensor& padded, const at::Tensor& z,
                         const Target& target) {
  const Evaluation e =
      target.evaluate(z, chains.labels.defined() ? chains.labels.index_select(0, padded) : chains.labels);
  const auto placed = [&](const at::Tensor& now, const at::Tensor& found) {
    return now.index_copy(0, rows, found.narrow(0, 0, rows.size(0)));
  };
  return {placed(chains.z, z),
          {placed(chains.now.log_prior, e.log_prior), placed(chains.now.log_ratio, e.log_ratio),
           placed(chains.now.grad_log_ratio, e.grad_log_ratio)}};
}

at::Tensor normal_of(const Chains& chains, const tensor::Noise& noise, int64_t step, Stream stream) {
  return noise.normal(chains.ids, chains.z.size(1), step, stream, chains.z.device());
}

at::Tensor uniform_of(const Chains& chains, const tensor::Noise& noise, int64_t step, Stream stream) {
  return noise.uniform(chains.ids, 1, step, stream, chains.z.device()).squeeze(1);
}

at::Tensor acceptance_of(const at::Tensor& log_a) {
  return at::where(at::isfinite(log_a), log_a.clamp_max(0).exp(), at::zeros_like(log_a));
}

}  // namespace ddls::sampling
