#include "ddls/feature_components.hpp"

#include <ATen/ATen.h>

#include "ddls/sample_store.hpp"

namespace ddls::sampling {

namespace {

// `deviations` descending, `directions` [k, f] beside them, rows of the type and on the device of `like`.
FeatureComponents chosen_of(const at::Tensor& mean, const at::Tensor& deviations, const at::Tensor& directions,
                            int64_t most, const at::Tensor& like) {
  const int64_t varied = (deviations > deviations[0] * 1e-6).sum().item<int64_t>();
  const at::Tensor chosen = directions.narrow(0, 0, std::min(most, varied));  // [c, f]
  const at::Tensor peaks = chosen.gather(1, chosen.abs().argmax(1, /*keepdim=*/true));
  return {mean.to(like.device(), at::kFloat), (chosen * peaks.sign()).t().to(like.device(), at::kFloat).contiguous()};
}

}  // namespace

at::Tensor FeatureComponents::of(const at::Tensor& features) const {
  return at::mm(features.to(at::kFloat) - mean, directions);
}

FeatureComponents principal_components(const at::Tensor& rows, int64_t most) {
  const at::Tensor wide = rows.to(at::kCPU, at::kDouble), mean = wide.mean(0);
  const auto [u, deviations, directions] = at::linalg_svd(wide - mean, /*full_matrices=*/false);  // descending
  return chosen_of(mean, deviations, directions, most, rows);
}

FeatureComponents principal_components_of_many(const at::Tensor& rows, int64_t most) {
  const at::Tensor wide = rows.to(at::kCPU, at::kDouble), mean = wide.mean(0), centred = wide - mean;
  const auto [variances, columns] = at::linalg_eigh(at::mm(centred.t(), centred));  // ascending
  return chosen_of(mean, variances.flip(0).clamp_min(0).sqrt(), columns.t().flip(0), most, rows);
}

std::optional<FeatureComponents> feature_components(const Target& target, const tensor::Noise& noise) {
  if (!target.features_by) return std::nullopt;
  constexpr IdRange ids{0, 64};
  const at::Tensor z = noise.normal(ids, target.latent_dim, 0, Stream::prior, target.device);
  const at::Tensor labels = target.labels_at(ids);
  return principal_components(target.features_by(target.decode(z, labels), labels), most_components);
}

}  // namespace ddls::sampling
