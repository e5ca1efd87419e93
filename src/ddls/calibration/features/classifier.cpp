#include <ATen/ATen.h>

#include "base/error.hpp"
#include "ddls/calibration/sample_features.hpp"
#include "ddls/target.hpp"
#include "models/classifier.hpp"
#include "models/state.hpp"

namespace ddls::sampling {
namespace {

// Of the architecture that its weights have.
models::NetworkPtr classifier_of(const models::SampleShape& sample, const tensor::NamedTensors& weights) {
  std::vector<int64_t> widths;
  for (int64_t i = 0; weights.contains(fmt::format("conv{}.weight", i)); ++i)
    widths.push_back(weights.at(fmt::format("conv{}.weight", i)).size(0));
  widths.push_back(weights.at("hidden.weight").size(0));
  const auto classifier = std::make_shared<models::Classifier>(sample, widths, weights.at("classes.weight").size(0));
  models::load_state(*classifier, weights, "the classifier of train.calibration.features");
  return classifier;
}

SampleFeatures make_classifier_features(const FeatureSource& source) {
  const models::NetworkPtr network =
      source.kept != nullptr ? classifier_of(source.sample, *source.kept) : source.classifier;
  ensure(network != nullptr, "features of a classifier need one");
  SampleFeatures features;
  features.weights = models::state_of(*network);
  network->to(source.device);
  freeze(*network);
  features.of = [network](const at::Tensor& images) { return network->features(images, {}); };
  return features;
}

}  // namespace

const FeatureKind classifier_features{
    .name = "classifier", .needs_classifier = true, .correlated = true, .make = make_classifier_features};

}  // namespace ddls::sampling
