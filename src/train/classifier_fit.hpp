#pragma once
// A small classifier trained on the real data, saved as a TorchScript feature extractor (docs/formats.md, section 9):
// for data on which no public feature network makes sense.
#include "base/purpose.hpp"
#include "train/gan_training.hpp"

namespace ddls::models {
class Classifier;  // models/classifier.hpp
}  // namespace ddls::models

namespace ddls::train {

// There may be two of them in a run, with nothing in common but data and architecture: what an energy is made from must
// not be what judges it.
struct ClassifierRole {
  const char* name;     // of the phase and of its checkpoints
  int64_t initial_key;  // of the weights, beside the roles of models/factory
  Pass pass;
};
inline constexpr ClassifierRole evaluation_classifier{"classifier", 100, Pass::evaluation_classifier},
    feature_classifier{"features", 101, Pass::feature_classifier};

// **Collective.** Trains model.classifier_widths for train.classifier.steps. Throws Error(config) for data without
// labels.
std::shared_ptr<models::Classifier> fit_classifier(const TrainContext& context, const ClassifierRole& role);
// **Collective.** The one that evaluates, as `file` (forward(uint8 NCHW) -> (features, logits)) on rank 0.
void save_evaluation_classifier(const TrainContext& context, const std::filesystem::path& file);

}  // namespace ddls::train
