#include "ddls/feature_components.hpp"

#include <ATen/ATen.h>

#include "ddls/sample_store.hpp"

namespace ddls {

at::Tensor FeatureComponents::of(const at::Tensor& features) const {
  return at::mm(features.to(at::kFloat) - mean, directions);
}

FeatureComponents principal_components(const at::Tensor& rows, int64_t most) {
  const at::Tensor wide = rows.to(at::kCPU, at::kDouble), mean = wide.mean(0);
  const auto [u, deviations, directions] = at::linalg_svd(wide - mean, /*full_matrices=*/false);  // descending
  const int64_t varied = (deviations > deviations[0] * 1e-6).sum().item<int64_t>();
  const at::Tensor chosen = directions.narrow(0, 0, std::min(most, varied));  // [c, f]
  const at::Tensor peaks = chosen.gather(1, chosen.abs().argmax(1, /*keepdim=*/true));
  return {mean.to(rows.device(), at::kFloat), (chosen * peaks.sign()).t().to(rows.device(), at::kFloat).contiguous()};
}

std::optional<FeatureComponents> feature_components(const Target& target, const Noise& noise) {
  if (!target.features_by) return std::nullopt;
  constexpr IdRange ids{0, 64};
  const at::Tensor z = noise.normal(ids, target.latent_dim, 0, Stream::prior, target.device);
  const at::Tensor labels = target.labels_at(ids);
  return principal_components(target.features_by(target.decode(z, labels), labels), most_components);
}

}  // namespace ddls
