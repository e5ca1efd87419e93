#include <ATen/ATen.h>

#include "base/error.hpp"
#include "base/purpose.hpp"
#include "ddls/calibration/sample_features.hpp"
#include "tensor/k_means.hpp"
#include "tensor/noise.hpp"
#include "tensor/single_thread.hpp"

namespace ddls::sampling {
namespace {

// Near which of k centres a sample lies: memberships exp(-|x - c|^2 / 2 s^2), normalised to sum 1. Their means are the
// masses of regions, which a density ratio may have wrong though each mode has the right shape.
constexpr int64_t most_centres = 64, rounds = 30;

struct Centres {
  at::Tensor places, precision;  // [k, values]; [1]: 1 / 2 s^2. float64, CPU
};

// s^2 is the mean variance of a value within its cluster.
Centres centres_of(const at::Tensor& reals, uint64_t seed) {
  const tensor::SingleThread single;
  const at::Tensor x = reals.flatten(1).to(at::kDouble);
  const int64_t k = std::min(most_centres, x.size(0));
  const tensor::Noise noise{derive(seed, Purpose::cluster_seeds)};
  const at::Tensor uniforms = noise.uniform({0, k}, 1, 0, Stream::init).to(at::kDouble).view({1, k});
  at::Tensor places = tensor::k_means(x, uniforms, rounds);
  const at::Tensor different = std::get<0>(at::unique_dim(places, 0));
  if (different.size(0) < places.size(0)) places = different;
  const at::Tensor variance = tensor::squares_between(x, places).amin(1).mean() / x.size(1);
  return {places, (0.5 / variance.clamp_min(1e-12)).view({1})};
}

SampleFeatures make_cluster_features(const FeatureSource& source) {
  if (source.kept == nullptr) ensure(source.reals.defined(), "clusters are those of reals");
  const Centres centres = source.kept != nullptr ? Centres{source.kept->at("places"), source.kept->at("precision")}
                                                 : centres_of(source.reals, source.seed);
  SampleFeatures features;
  features.weights = {{"places", centres.places}, {"precision", centres.precision}};
  const at::Tensor places = centres.places.to(source.device), precision = centres.precision.to(source.device);
  features.of = [places, precision](const at::Tensor& samples) {
    const at::Tensor x = samples.flatten(1), c = places.to(x.scalar_type());
    // Without |x|^2, which all memberships share.
    return at::softmax((2 * at::mm(x, c.t()) - c.square().sum(1)) * precision.to(x.scalar_type()), 1);
  };
  return features;
}

}  // namespace

const FeatureKind cluster_features{
    .name = "clusters", .needs_images = false, .needs_reals = true, .squares = false, .make = make_cluster_features};

}  // namespace ddls::sampling
