#include "ddls/scripted_gan.hpp"

#include <ATen/ATen.h>
#include <torch/script.h>

#include "base/error.hpp"
#include "base/files.hpp"
#include "ddls/gan_probe.hpp"
#include "tensor/torchscript_file.hpp"

namespace ddls::sampling {
namespace {

// What the files do in the middle of work that they did not do on trial.
void guard(Target& target, const std::string& generator, const std::string& both) {
  target.decode_by = [decode = target.decode_by, generator](const at::Tensor& w, const at::Tensor& labels) {
    const at::Tensor samples = decode(w, labels);
    if (!at::isfinite(samples).all().item<bool>())
      fail(Exit::data, "{}: some of the {} samples that it was asked for are not finite numbers", generator,
           samples.size(0));
    return samples;
  };
  target.corrected_by = [corrected = target.corrected_by, generator, both](const RatioCorrection& correction) {
    Target guarded = corrected(correction);
    guard(guarded, generator, both);
    return guarded;
  };
  target.evaluate_by = [evaluate = target.evaluate_by, both](const at::Tensor& w, const at::Tensor& labels) {
    return tensor::in_network(both, "the gradient of the logit cannot be computed",
                              [&] { return evaluate(w, labels); });
  };
}

}  // namespace

tensor::ForeignNetwork load_scripted_network(const fs::path& file, const char* option, c10::Device device) {
  const auto module = std::make_shared<torch::jit::Module>(tensor::load_torchscript(file, option, device));
  tensor::ForeignNetwork network{.file = file.string()};
  network.call = [module, name = network.file](const at::Tensor& input, const at::Tensor& labels) {
    std::vector<torch::jit::IValue> inputs{input};
    if (labels.defined()) inputs.emplace_back(labels);
    const tensor::GraphsAs as(tensor::GraphsAs::written);
    const torch::jit::IValue output = module->forward(inputs);
    if (!output.isTensor())
      fail(Exit::data, "{}: forward must return one tensor, but it returns {}; leave the rest out", name,
           tensor::type_of(output));
    return std::vector<at::Tensor>{output.toTensor()};
  };
  network.tensors = [module] { return tensor::tensors_of(*module); };
  return network;
}

ForeignGan load_scripted_gan(const fs::path& generator, const fs::path& discriminator, const config::ModelConfig& model,
                             c10::Device device) {
  const tensor::ForeignNetwork g = load_scripted_network(generator, "--generator", device),
                               d = load_scripted_network(discriminator, "--discriminator", device);
  ForeignGan gan;
  gan.sample_shape = probe_gan(g, d, model, device);
  gan.target =
      make_target([g](const at::Tensor& z, const at::Tensor& labels) { return g(z, labels).front(); },
                  [d](const at::Tensor& x, const at::Tensor& labels) { return d(x, labels).front().flatten(); },
                  model.latent_dim, device, prior_from_name(model.prior));
  guard(gan.target, g.file, g.file + ", " + d.file);
  gan.digest = hash64(sha256_of_file(generator) + sha256_of_file(discriminator));
  return gan;
}

}  // namespace ddls::sampling
