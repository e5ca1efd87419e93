// export_models FOLDER: for every published network a NAME.safetensors in float64 with weights (g.*, d.*), inputs (z,
// label), outputs (out.*), the FLOPs of a chain-step and the gradients (grad.*) of sum(c * D(G(z))). models.py reads
// them.
#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cstdio>
#include <filesystem>

#include "models/batch_norm.hpp"
#include "models/counts.hpp"
#include "models/factory.hpp"
#include "models/network.hpp"
#include "models/state.hpp"
#include "tensor/noise.hpp"
#include "tensor/safetensors.hpp"
#include "unit/models/published_models.hpp"

namespace ddls {
namespace {

constexpr int64_t samples = 3;

at::Tensor draws(at::IntArrayRef shape, int64_t id) {
  return tensor::Noise{3}.normal({id, id + 1}, c10::multiply_integers(shape), 0, Stream::init).view(shape);
}

// Initial weights leave biases, class tables and attention at values under which mistakes would not show.
void disturb(models::Network& network) {
  at::NoGradGuard no_grad;
  int64_t id = 1000;
  for (at::Tensor& p : network.parameters()) p.add_(draws(p.sizes(), id++), p.dim() == 1 ? 0.3 : 0.02);
}

void write(const std::filesystem::path& folder, const std::string& name, const config::ModelConfig& config,
           const models::SampleShape& image) {
  const models::NetworkPtr g = models::make_network(config, models::Role::generator, image, 1);
  const models::NetworkPtr d = models::make_network(config, models::Role::discriminator, image, 1);
  disturb(*g);
  disturb(*d);
  tensor::NamedTensors out;
  const at::Tensor z = draws({samples, config.latent_dim}, 0);
  const at::Tensor label = config.classes > 0 ? at::arange(samples, at::kLong).remainder(config.classes) : at::Tensor();
  if (label.defined()) out["label"] = label;
  const at::Tensor one_label = label.defined() ? label.narrow(0, 0, 1) : label;
  out["flops"] = at::full({1}, models::chain_step_flops(*g, *d, z.narrow(0, 0, 1), one_label), at::kLong);
  {
    at::NoGradGuard no_grad;
    g->train();
    out["out.g_float32"] = g->forward(z, label).to(at::kDouble).contiguous();
  }
  g->to(at::kDouble);
  d->to(at::kDouble);
  d->eval();  // no dropout
  at::Tensor latents = z.to(at::kDouble).requires_grad_(true);
  out["z"] = latents.detach();
  g->train();
  const at::Tensor images = g->forward(latents, label);
  const at::Tensor logits = d->forward(images, label);
  (logits * at::arange(1, samples + 1, at::kDouble)).sum().backward();
  out["out.g"] = images.detach().contiguous();
  out["out.d"] = logits.detach();
  out["grad.z"] = latents.grad();
  const auto gradients_of = [&](const models::Network& network, const std::string& prefix) {
    for (const auto& item : network.named_parameters())
      out["grad." + prefix + item.key()] = item.value().grad().contiguous();
  };
  gradients_of(*g, "g.");
  gradients_of(*d, "d.");
  models::measure_statistics(*g, 1, [&](int64_t) { g->forward(latents.detach() + 0.1, label); });
  out["out.g_eval"] = g->forward(latents, label).detach().contiguous();
  for (const auto& [key, t] : models::state_of(*g)) out["g." + key] = t;
  for (const auto& [key, t] : models::state_of(*d)) out["d." + key] = t;
  tensor::write_safetensors(folder / (name + ".safetensors"), out);
}

}  // namespace
}  // namespace ddls

int main(int argc, char** argv) {
  using namespace ddls;
  if (argc != 2) return std::fputs("one argument: the folder to write to\n", stderr), 64;
  const std::filesystem::path folder = argv[1];
  write(folder, "sn_resnet32", test::sn_resnet32(), {3, 32, 32});
  write(folder, "sn_resnet32_conditional", test::sn_resnet32(10), {3, 32, 32});
  write(folder, "sn_resnet64", test::sn_resnet64(10), {3, 64, 64});
  write(folder, "wgangp_resnet32", test::wgangp_resnet32(), {3, 32, 32});
  write(folder, "sn_dcgan32", test::sn_dcgan32(), {3, 32, 32});
  write(folder, "biggan32", test::biggan32(), {3, 32, 32});
  write(folder, "mlp_cgan", test::mnist_cgan(), {1, 28, 28});
  return 0;
}
