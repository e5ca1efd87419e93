#include "eval/features.hpp"

#include <ATen/ATen.h>
#include <torch/csrc/jit/passes/tensorexpr_fuser.h>
#include <torch/script.h>

#include "base/error.hpp"
#include "base/files.hpp"

namespace ddls {
namespace {

// One file, loaded and frozen: constants folded, parameters inlined.
class Network {
 public:
  Network(const fs::path& file, c10::Device device) : device_(device) {
    // The fuser would rewrite the graph after it has watched some calls on a GPU: the same images, other bits.
    torch::jit::setTensorExprFuserEnabled(false);
    torch::jit::Module module = torch::jit::load(file.string(), device);
    module.eval();
    for (const auto& argument : module.get_method("forward").function().getSchema().arguments()) {
      nvidia_ = nvidia_ || argument.name() == "return_features";
      bias_option_ = bias_option_ || argument.name() == "no_output_bias";
    }
    // Channels-last weights make the convolutions of a CPU faster; the images follow.
    for (const at::Tensor& parameter : module.parameters())
      if (parameter.dim() == 4) parameter.set_data(parameter.detach().contiguous(at::MemoryFormat::ChannelsLast));
    module_ = nvidia_ ? module : torch::jit::freeze(module);  // freezing would fix return_features at its default
  }

  Features run(const at::Tensor& images_u8, bool logits) {
    at::NoGradGuard no_grad;
    const at::Tensor images = images_u8.to(device_).contiguous(at::MemoryFormat::ChannelsLast);
    Features result;
    if (!nvidia_) {
      const auto outputs = module_.forward({images}).toTuple();
      result.features = outputs->elements().at(0).toTensor();
      result.logits = outputs->elements().at(1).toTensor();
    } else {
      result.features = module_.forward({images}, {{"return_features", true}}).toTensor();
      if (logits) {
        torch::jit::Kwargs options;
        if (bias_option_) options["no_output_bias"] = true;  // as the canonical Inception Score
        result.logits = module_.forward({images}, options).toTensor().clamp_min(1e-38).log();
      }
    }
    result.features = result.features.to(at::kCPU, at::kFloat);
    result.logits = logits ? result.logits.to(at::kCPU, at::kFloat) : at::Tensor();
    return result;
  }

 private:
  c10::Device device_;
  bool nvidia_ = false, bias_option_ = false;
  torch::jit::Module module_;
};

std::string reason(const std::exception& error) {
  const auto* const torch_error = dynamic_cast<const c10::Error*>(&error);
  return torch_error ? torch_error->what_without_backtrace() : error.what();
}

at::Tensor as_colour(const at::Tensor& images) {
  return images.size(1) == 1 ? images.expand({images.size(0), 3, images.size(2), images.size(3)}) : images;
}

void check_outputs(const Features& probe, const fs::path& file) {
  if (probe.features.dim() == 2 && probe.features.size(0) == 2 && probe.logits.dim() == 2 && probe.logits.size(0) == 2)
    return;
  fail(Exit::data, "{}: the extractor must return features [N, F] and logits [N, C]", file.string());
}

}  // namespace

Extractor load_extractor(const fs::path& file, const std::vector<int64_t>& sample_shape, c10::Device device) {
  if (!fs::exists(file))
    fail(Exit::missing, "{}: there is no such feature extractor (evaluate.extractor)", file.string());
  Extractor extractor;
  extractor.name = file.stem().string();
  extractor.sha256 = sha256_of_file(file);
  std::shared_ptr<Network> network;
  try {
    network = std::make_shared<Network>(file, device);
  } catch (const std::exception& error) {
    fail(Exit::data, "{}: not a usable feature extractor (TorchScript, forward(uint8 NCHW) -> (features, logits)): {}",
         file.string(), reason(error));
  }
  std::string failure;
  const auto works_with = [&](int64_t channels) {
    try {
      const Features probe = network->run(at::zeros({2, channels, sample_shape[1], sample_shape[2]}, at::kByte), true);
      check_outputs(probe, file);
      extractor.features = probe.features.size(1);
      extractor.classes = probe.logits.size(1);
      return true;
    } catch (const Error&) {
      throw;
    } catch (const std::exception& error) {  // TorchScript throws types of its own for run-time errors
      failure = reason(error);
      return false;
    }
  };
  const bool takes_grey = works_with(1), takes_colour = works_with(3);
  if (!takes_colour && !(takes_grey && sample_shape[0] == 1))
    fail(Exit::data, "{}: the extractor fails on images of this data set: {}", file.string(), failure);
  extractor.extract = [network, takes_grey](const at::Tensor& images, bool logits) {
    return network->run(takes_grey ? images : as_colour(images), logits);
  };
  return extractor;
}

}  // namespace ddls
