#include "ddls/given_gan.hpp"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <filesystem>

#include "base/error.hpp"
#include "base/files.hpp"
#include "ddls/gan_probe.hpp"
#include "ddls/pt2_choice.hpp"
#include "ddls/pt2_gan.hpp"
#include "ddls/scripted_gan.hpp"
#include "models/network.hpp"

namespace ddls::sampling {
namespace {

// A network of a file. Functions take (input, labels); where there is no vjp, there is no graph.
struct GivenFunctions {
  std::function<at::Tensor(const at::Tensor&, const at::Tensor&)> forward;  // differentiable in its input
  std::function<at::Tensor(const at::Tensor&, const at::Tensor&, const at::Tensor& dy)> vjp;
};
using GivenFunctionsPtr = std::shared_ptr<const GivenFunctions>;

class GivenOperation : public inference::Operation {
 public:
  GivenOperation(GivenFunctionsPtr functions, bool labelled) : functions_(std::move(functions)), labelled_(labelled) {}

  at::Tensor forward(at::Tensor x, inference::Tape& tape) const override {
    tape.push(x);
    at::NoGradGuard no_grad;
    return functions_->forward(x, labels(tape));
  }
  at::Tensor vjp(at::Tensor dy, inference::Tape& tape) const override {
    return functions_->vjp(tape.pop(), labels(tape), dy);
  }
  inference::OperationWork work(inference::Pass, at::IntArrayRef) const override { return {"program"}; }

 private:
  at::Tensor labels(const inference::Tape& tape) const { return labelled_ ? tape.labels() : at::Tensor(); }

  GivenFunctionsPtr functions_;
  bool labelled_;
};

class GivenNetwork : public models::Network {
 public:
  GivenNetwork(GivenFunctions functions, bool labelled, const char* file, const std::string& sha256)
      : functions_(std::make_shared<const GivenFunctions>(std::move(functions))), labelled_(labelled) {
    std::vector<uint8_t> bytes(sha256.begin(), sha256.end());
    register_buffer(file, at::tensor(bytes, at::kByte));
  }

  at::Tensor forward(const at::Tensor& input, const at::Tensor& labels) override {
    return functions_->forward(input, labels);
  }
  std::optional<inference::Operations> inference_graph_in(at::ScalarType type) const override {
    if (type != at::kFloat || !functions_->vjp) return std::nullopt;
    inference::Operations graph;
    graph.push_back(std::make_unique<GivenOperation>(functions_, labelled_));
    return graph;
  }
  bool opaque() const override { return true; }

 private:
  GivenFunctionsPtr functions_;
  bool labelled_;
};

GivenFunctions generator_of(const Pt2ProgramsPtr& p) {
  const auto forward = [p](const at::Tensor& z, const at::Tensor& y) {
    return tensor::in_network(p->file, "program 'decode' fails",
                              [&] { return require_finite_samples(pt2_samples(p, z, y), p->file); });
  };
  return {forward, [p](const at::Tensor& z, const at::Tensor& y, const at::Tensor& dx) {
            return tensor::in_network(p->file, "program 'decode_vjp' fails", [&] {
              return p->decode_vjp({z, y, dx}, 1).front();
            });
          }};
}

GivenFunctions discriminator_of(const Pt2ProgramsPtr& p) {
  const auto forward = [p](const at::Tensor& x, const at::Tensor& y) {
    return tensor::in_network(p->file, "program 'score' fails", [&] { return pt2_scores(p, x, y); });
  };
  return {forward, [p](const at::Tensor& x, const at::Tensor& y, const at::Tensor& dr) {
            return tensor::in_network(p->file, "program 'score_grad' fails", [&] {
              const at::Tensor gradient = p->score_grad({x, y}, 2)[1].reshape(x.sizes());
              std::vector<int64_t> per_row(static_cast<size_t>(x.dim()), 1);
              per_row[0] = x.size(0);
              return gradient * dr.view(per_row);
            });
          }};
}

GivenGan open_archive(config::ModelConfig& model, c10::Device device) {
  const tensor::Pt2Archive archive = tensor::open_pt2(model.generator, "model.generator");
  model = model_of_pt2(archive, model);
  const Pt2Description about = description_of(archive);
  const Pt2ProgramsPtr programs =
      tried_programs(load_generator_programs(archive), archive, about, model.compiled, device);
  const auto tried = [&](const char* name, const GivenFunctions& functions) {
    return tensor::ForeignNetwork{.file = fmt::format("{} ({})", model.generator, name),
                                  .call = [forward = functions.forward](const at::Tensor& x, const at::Tensor& y) {
                                    return std::vector<at::Tensor>{forward(x, y)};
                                  }};
  };
  const bool labelled = about.classes > 0;
  const GivenFunctions generator = generator_of(programs);
  const ProbedGenerator probed = probe_generator(tried("decode", generator), model, device);
  GivenGan gan{.sha256 = sha256_of_file(archive.file), .compiled = programs->compiled};
  gan.generator = std::make_shared<GivenNetwork>(generator, labelled, "generator_sha256", gan.sha256);
  gan.sample_shape = about.sample_shape;
  if (!programs->score) return gan;
  const GivenFunctions discriminator = discriminator_of(programs);
  probe_discriminator(tried("score", discriminator), model, probed.samples);
  gan.discriminator = std::make_shared<GivenNetwork>(discriminator, labelled, "discriminator_sha256", gan.sha256);
  return gan;
}

GivenGan open_scripted(const config::ModelConfig& model, c10::Device device) {
  if (model.compiled != "off")
    fail(Exit::config, "model.compiled: only a .pt2 archive has compiled programs, and {} is none", model.generator);
  const tensor::ForeignNetwork g = load_scripted_network(model.generator, "model.generator", device);
  const auto forward = [g](const at::Tensor& z, const at::Tensor& y) {
    return require_finite_samples(g(z, y).front(), g.file);
  };
  GivenGan gan{.sha256 = sha256_of_file(model.generator)};
  gan.sample_shape = probe_generator(g, model, device).samples.input.sizes().slice(1).vec();
  gan.generator = std::make_shared<GivenNetwork>(GivenFunctions{forward, nullptr}, model.classes > 0,
                                                 "generator_sha256", gan.sha256);
  return gan;
}

}  // namespace

GivenGan open_given_gan(config::ModelConfig& model, c10::Device device) {
  const std::string ending = fs::path(model.generator).extension().string();
  if (ending == ".safetensors")
    fail(Exit::config,
         "model.generator: {} holds weights of networks of ours, which 'sample --generator' takes; a pretrained "
         "generator is a .pt2 archive or TorchScript",
         model.generator);
  GivenGan gan = ending == ".pt2" ? open_archive(model, device) : open_scripted(model, device);
  gan.generator->to(device);
  if (gan.discriminator) gan.discriminator->to(device);
  if (model.ratio_architecture == "auto") model.ratio_architecture = gan.sample_shape.size() == 1 ? "mlp" : "sn_resnet";
  return gan;
}

}  // namespace ddls::sampling
