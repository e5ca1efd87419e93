#pragma once
// A small classifier trained on the real data, saved as a TorchScript feature extractor (docs/formats.md, section 9):
// for data on which no public feature network makes sense.
#include "train/gan_training.hpp"

namespace ddls {

// **Collective.** Trains model.classifier_widths for train.classifier.steps and writes `file`
// (forward(uint8 NCHW) -> (features, logits)) on rank 0. Throws Error(config) for data without labels.
void fit_classifier(const TrainContext& context, const std::filesystem::path& file);

}  // namespace ddls
