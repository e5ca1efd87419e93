#include "ddls/calibration/features/network_file.hpp"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/jit/python/update_graph_executor_opt.h>
#include <torch/script.h>

#include "base/error.hpp"
#include "base/files.hpp"
#include "tensor/network_probe.hpp"
#include "tensor/noise.hpp"
#include "tensor/torchscript_file.hpp"

namespace ddls::sampling {
namespace {

class NetworkFile {
 public:
  NetworkFile(const std::string& file, c10::Device device)
      : module_(tensor::load_torchscript(file, "train.calibration.features", device)), file_(file) {
    // The interpreter would otherwise rewrite the graph after it has watched some calls: the same input, other bits.
    torch::jit::setGraphExecutorOptimize(false);
    for (const auto& argument : module_.get_method("forward").function().getSchema().arguments())
      nvidia_ = nvidia_ || argument.name() == "return_features";
  }

  at::Tensor features(const at::Tensor& samples, bool colour) {
    at::Tensor images = (samples + 1) * 127.5;
    if (colour) images = images.expand({images.size(0), 3, images.size(2), images.size(3)});
    torch::jit::Kwargs options;
    if (nvidia_) options["return_features"] = true;
    torch::jit::IValue output = module_.forward({images}, options);
    if (output.isTuple() && !output.toTupleRef().elements().empty()) {
      const torch::jit::IValue first = output.toTupleRef().elements()[0];
      output = first;
    }
    if (!output.isTensor() || output.toTensor().dim() != 2 || output.toTensor().size(0) != images.size(0))
      fail(Exit::data, "{}: forward must return (features [N, F], logits [N, C]), but for {} images it returns {}",
           file_, images.size(0),
           output.isTensor() ? fmt::format("[{}]", fmt::join(output.toTensor().sizes(), ", "))
                             : tensor::type_of(output));
    return output.toTensor();
  }

 private:
  torch::jit::Module module_;
  std::string file_;
  bool nvidia_ = false;
};

at::Tensor some_images(const FeatureSource& source) {
  const int64_t pixels = c10::multiply_integers(source.sample), count = 4;
  const at::Tensor images = tensor::Noise{1}
                                .uniform({0, count}, pixels, 0, Stream::prior)
                                .view({count, source.sample[0], source.sample[1], source.sample[2]});
  return (images * 2 - 1).to(source.device);
}

void require_gradient(const std::string& file, const std::function<at::Tensor(const at::Tensor&)>& of,
                      const at::Tensor& images) {
  at::AutoGradMode with_grad(true);
  const at::Tensor leaf = images.clone().requires_grad_(true);
  const at::Tensor features = of(leaf);
  at::Tensor gradient;
  if (features.requires_grad())
    gradient = torch::autograd::grad({features.square().sum()}, {leaf}, {}, std::nullopt, false, /*allow_unused=*/true)
                   .front();
  if (!gradient.defined() || gradient.abs().max().item<double>() == 0)
    fail(Exit::data,
         "{}: no gradient passes through this network (does it round its images to integers, or run under "
         "torch.no_grad?), and samplers follow the gradient of features; begin it with x = x.float()",
         file);
}

}  // namespace

SampleFeatures network_file_features(const std::string& file, const FeatureSource& source) {
  const auto network = std::make_shared<NetworkFile>(file, source.device);
  const at::Tensor images = some_images(source);
  bool colour = false;
  if (source.sample[0] == 1) {  // a network may take colour alone
    at::NoGradGuard no_grad;
    try {
      network->features(images, false);
    } catch (const std::exception&) {
      colour = true;
    }
  }
  const auto of = [network, colour, file](const at::Tensor& samples) {
    return tensor::in_network(file, "forward fails on floating-point images in 0..255",
                              [&] { return network->features(samples, colour); });
  };
  require_gradient(file, of, images);
  return {of, {}, sha256_of_file(file)};
}

}  // namespace ddls::sampling
