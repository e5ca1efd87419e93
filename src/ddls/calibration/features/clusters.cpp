#include <ATen/ATen.h>

#include "base/error.hpp"
#include "base/purpose.hpp"
#include "ddls/calibration/sample_features.hpp"
#include "tensor/noise.hpp"
#include "tensor/single_thread.hpp"

namespace ddls::sampling {
namespace {

// Near which of k centres a sample lies: memberships exp(-|x - c|^2 / 2 s^2), normalised to sum 1. Their means are the
// masses of regions, which a density ratio may have wrong though each mode has the right shape.
constexpr int64_t most_centres = 64, iterations = 30;

struct Centres {
  at::Tensor places, precision;  // [k, values]; [1]: 1 / 2 s^2. float64, CPU
};

at::Tensor squared_distances(const at::Tensor& x, const at::Tensor& centres) {  // [n, k]
  return (x.square().sum(1, /*keepdim=*/true) - 2 * at::mm(x, centres.t()) + centres.square().sum(1)).clamp_min(0);
}

// Each next centre is a row drawn with the square of its distance to those before (Arthur and Vassilvitskii 2007).
at::Tensor spread_rows(const at::Tensor& x, int64_t k, uint64_t seed) {
  const at::Tensor u =
      tensor::Noise{derive(seed, Purpose::cluster_seeds)}.uniform({0, k}, 1, 0, Stream::init).flatten();
  at::Tensor chosen = x.narrow(0, static_cast<int64_t>(u[0].item<double>() * static_cast<double>(x.size(0))), 1);
  for (int64_t i = 1; i < k; ++i) {
    const at::Tensor mass = squared_distances(x, chosen).amin(1).cumsum(0), last = mass[-1];
    if (!(last.item<double>() > 0)) break;  // fewer values than centres
    const int64_t row = at::searchsorted(mass, u[i].to(at::kDouble) * last).item<int64_t>();
    chosen = at::cat({chosen, x.narrow(0, std::min(row, x.size(0) - 1), 1)});
  }
  return chosen;
}

// Lloyd's iterations from there; s^2 is the mean variance of a value within its cluster.
Centres centres_of(const at::Tensor& reals, uint64_t seed) {
  const tensor::SingleThread single;
  const at::Tensor x = reals.flatten(1).to(at::kDouble);
  at::Tensor places = spread_rows(x, std::min(most_centres, x.size(0)), seed);
  for (int64_t i = 0; i < iterations; ++i) {
    const at::Tensor nearest = squared_distances(x, places).argmin(1);
    const at::Tensor counts = at::bincount(nearest, {}, places.size(0)).to(at::kDouble).unsqueeze(1);
    const at::Tensor sums = at::zeros_like(places).index_add(0, nearest, x);
    places = at::where(counts > 0, sums / counts.clamp_min(1), places);
  }
  const at::Tensor variance = squared_distances(x, places).amin(1).mean() / x.size(1);
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
