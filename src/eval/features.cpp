#include "eval/features.hpp"

#include <torch/script.h>

#include "base/error.hpp"
#include "base/files.hpp"

namespace ddls {

Extractor load_extractor(const fs::path& file, const std::vector<int64_t>& sample_shape, c10::Device device) {
  if (!fs::exists(file))
    fail(Exit::missing, "{}: there is no such feature extractor (evaluate.extractor)", file.string());
  Extractor extractor;
  extractor.name = file.stem().string();
  extractor.sha256 = sha256_of_file(file);
  try {
    auto module = std::make_shared<torch::jit::Module>(torch::jit::load(file.string(), device));
    module->eval();
    extractor.extract = [module, device](const at::Tensor& images_u8) {
      at::NoGradGuard no_grad;
      const auto outputs = module->forward({images_u8.to(device)}).toTuple();
      return Features{outputs->elements().at(0).toTensor(), outputs->elements().at(1).toTensor()};
    };
    std::vector<int64_t> sizes{2};
    sizes.insert(sizes.end(), sample_shape.begin(), sample_shape.end());
    const Features probe = extractor.extract(at::zeros(sizes, at::kByte));
    if (probe.features.dim() != 2 || probe.features.size(0) != 2 || probe.logits.dim() != 2 ||
        probe.logits.size(0) != 2)
      fail(Exit::data, "{}: the extractor must return features [N, F] and logits [N, C]", file.string());
    extractor.features = probe.features.size(1);
    extractor.classes = probe.logits.size(1);
  } catch (const c10::Error& error) {
    fail(Exit::data, "{}: not a usable feature extractor (TorchScript, forward(uint8 NCHW) -> (features, logits)): {}",
         file.string(), error.what_without_backtrace());
  } catch (const std::exception& error) {  // TorchScript throws its own types for run-time errors
    if (dynamic_cast<const Error*>(&error)) throw;
    fail(Exit::data, "{}: the extractor fails on images of this data set: {}", file.string(), error.what());
  }
  return extractor;
}

}  // namespace ddls
