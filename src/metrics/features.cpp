#include "metrics/features.hpp"

#include <ATen/ATen.h>
#include <torch/csrc/jit/passes/tensorexpr_fuser.h>
#include <torch/script.h>

#include <optional>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/log.hpp"
#include "base/purpose.hpp"
#include "tensor/network_probe.hpp"
#include "tensor/noise.hpp"
#include "tensor/pt2_extractor.hpp"
#include "tensor/torchscript_file.hpp"

namespace ddls::metrics {
namespace {

constexpr const char* convention = "forward(uint8 [N, C, H, W]) must return (features [N, F], logits [N, C])";

std::string text_of(at::IntArrayRef sizes) { return fmt::format("[{}]", fmt::join(sizes, ", ")); }

// One file, loaded: programs of an archive, or TorchScript that is frozen (constants folded, parameters inlined).
class Network {
 public:
  Network(const fs::path& file, c10::Device device) : file_(file.string()), device_(device) {
    if (file.extension() == ".pt2") {
      archive_ = std::make_unique<tensor::Pt2Extractor>(file, key, device, tensor::Pt2Use::values);
      input_size_ = archive_->side();
    } else {
      load_script(file);
    }
  }

  // Features and logits as the file gives them; the logits undefined where they cost a pass and were not asked for.
  std::vector<at::Tensor> outputs(const at::Tensor& images, bool logits) {
    at::NoGradGuard no_grad;
    if (archive_) return archive_->outputs(images);
    const tensor::GraphsAs as(tensor::GraphsAs::rewritten);
    if (nvidia_) return nvidia_outputs(images, logits);
    const torch::jit::IValue output = module_.forward({images});
    if (!output.isTuple() || output.toTupleRef().elements().size() < 2) refuse_type(output);
    const auto& elements = output.toTupleRef().elements();
    if (!elements[0].isTensor() || !elements[1].isTensor()) refuse_type(output);
    return {row_kept(elements[0].toTensor(), images), row_kept(elements[1].toTensor(), images)};
  }

  at::Tensor input_of(const at::Tensor& images_u8) const {
    return images_u8.to(device_).contiguous(channels_last_ ? at::MemoryFormat::ChannelsLast
                                                           : at::MemoryFormat::Contiguous);
  }

  // Programs of an archive take the plain layout, whatever is given.
  void use_channels_last(bool use) { channels_last_ = use && !archive_; }
  bool nvidia() const { return nvidia_; }
  const std::string& file() const { return file_; }
  // The side of the images that it says it takes; 0: it does not say.
  int64_t input_size() const { return input_size_; }
  tensor::ForeignNetwork as_foreign(const std::shared_ptr<Network>& self) const {
    return {file_,
            [self](const at::Tensor& images, const at::Tensor&) { return self->outputs(self->input_of(images), true); },
            [self] { return self->archive_ ? tensor::NamedTensors() : tensor::tensors_of(self->module_); }};
  }

 private:
  static constexpr const char* key = "evaluate.extractor";

  void load_script(const fs::path& file) {
    // The fuser would rewrite the graph after it has watched some calls on a GPU: the same images, other bits.
    torch::jit::setTensorExprFuserEnabled(false);
    torch::jit::Module module = tensor::load_torchscript(file, key, device_);
    for (const auto& argument : module.get_method("forward").function().getSchema().arguments()) {
      nvidia_ = nvidia_ || argument.name() == "return_features";
      bias_option_ = bias_option_ || argument.name() == "no_output_bias";
    }
    if (module.hasattr("input_size") && module.attr("input_size").isInt())
      input_size_ = module.attr("input_size").toInt();
    else if (nvidia_)
      input_size_ = 299;  // of Inception
    // Channels-last weights make the convolutions of a CPU faster; the images follow.
    for (const at::Tensor& parameter : module.parameters())
      if (parameter.dim() == 4) parameter.set_data(parameter.detach().contiguous(at::MemoryFormat::ChannelsLast));
    const auto frozen = [&] { return torch::jit::freeze(module); };
    // Freezing would fix return_features at its default.
    module_ = nvidia_ ? module : tensor::in_network(file_, "TorchScript that cannot be frozen", frozen);
  }

  std::vector<at::Tensor> nvidia_outputs(const at::Tensor& images, bool logits) {
    const auto tensor = [&](const torch::jit::Kwargs& options) {
      const torch::jit::IValue output = module_.forward({images}, options);
      if (!output.isTensor())
        fail(Exit::data, "{}: forward(img, return_features) must return one tensor, but it returns {}", file_,
             tensor::type_of(output));
      return row_kept(output.toTensor(), images);
    };
    std::vector<at::Tensor> result{tensor({{"return_features", true}}), {}};
    if (!logits) return result;
    torch::jit::Kwargs options;
    if (bias_option_) options["no_output_bias"] = true;  // as the canonical Inception Score
    const at::Tensor probabilities = tensor(options);
    if (probabilities.numel() > 0 && probabilities.min().item<double>() < 0)
      fail(Exit::data, "{}: without return_features it must give probabilities, but there are values below 0", file_);
    result[1] = probabilities.clamp_min(1e-38).log();
    return result;
  }

  // squeeze() takes the first dimension from one image, too.
  static at::Tensor row_kept(const at::Tensor& rows, const at::Tensor& images) {
    return images.size(0) == 1 && rows.dim() == 1 ? rows.unsqueeze(0) : rows;
  }

  [[noreturn]] void refuse_type(const torch::jit::IValue& output) const {
    fail(Exit::data, "{}: {}, but it returns {}; without logits: return features, features[:, :0]", file_, convention,
         tensor::type_of(output));
  }

  std::string file_;
  c10::Device device_;
  bool nvidia_ = false, bias_option_ = false, channels_last_ = true;
  int64_t input_size_ = 0;
  torch::jit::Module module_;
  std::unique_ptr<tensor::Pt2Extractor> archive_;
};

at::Tensor as_colour(const at::Tensor& images) {
  return images.size(1) == 1 ? images.expand({images.size(0), 3, images.size(2), images.size(3)}) : images;
}

void check_outputs(const Network& network, const std::vector<at::Tensor>& outputs, int64_t n) {
  const char* const names[] = {"features", "logits"};
  for (size_t i = 0; i < outputs.size(); ++i) {
    const at::Tensor& rows = outputs[i];
    if (!rows.defined() || (rows.dim() == 2 && rows.size(0) == n && (i > 0 || rows.size(1) > 0))) continue;
    const bool flat = rows.dim() > 2 && rows.size(0) == n;
    fail(Exit::data, "{}: {}, but for {} images its {} are {}{}", network.file(), convention, n, names[i],
         text_of(rows.sizes()), flat ? "; end it with flatten(1)" : "");
  }
  const at::Tensor& logits = outputs[1];
  if (network.nvidia() || !logits.defined() || n < 2 || logits.size(1) < 2 || !logits.is_floating_point()) return;
  const at::Tensor values = logits.to(at::kDouble);
  if (values.min().item<double>() >= 0 && values.sum(1).sub(1).abs().max().item<double>() < 1e-3)
    fail(Exit::data,
         "{}: its logits look like probabilities (each row sums to 1), but the Inception Score needs the logits before "
         "the softmax; leave it out",
         network.file());
}

// The size that images are brought to, and so the shape of what the network is tried on.
void settle(Resize& resize, const Network& network, std::vector<int64_t>& shape) {
  if (!resize.any()) return;
  if (resize.side == 0) resize.side = network.input_size();
  if (resize.side == 0)
    fail(Exit::config,
         "evaluate.resize: {} does not say what size it takes (an integer attribute input_size); name it in "
         "evaluate.resize_to, as 299 for Inception",
         network.file());
  shape[1] = shape[2] = resize.side;
}

// Images that no two rows or channels of which are alike: noise over a slope. Not `bytes`: values between whole ones.
at::Tensor trial_images(int64_t count, int64_t channels, const std::vector<int64_t>& shape, bool bytes) {
  const int64_t pixels = channels * shape[1] * shape[2];
  const at::Tensor noise =
      tensor::Noise{derive(0, Purpose::extractor_probe)}.uniform({0, count}, pixels, 0, Stream::prior);
  const at::Tensor level = at::arange(count, at::kFloat).unsqueeze(1) * (120.0 / static_cast<double>(count));
  return (noise * 120 + level).to(bytes ? at::kByte : at::kFloat).view({count, channels, shape[1], shape[2]});
}

std::vector<tensor::Remedy> remedies_of(const at::Tensor& images) {
  const auto scaled = [images](double by) { return [images, by] { return images.to(at::kFloat) / by; }; };
  return {{"it takes floating-point images, but images are uint8 in 0..255 here: begin it with x = x.float() / 255, or "
           "what it was trained with",
           scaled(255)},
          {"it takes colour images of at least 299 x 299; begin it with a resize (torch.nn.functional.interpolate)",
           [images] {
             return at::zeros({images.size(0), images.size(1), 299, 299}, images.options());
           }},
          {"it takes images of 224 x 224; begin it with a resize (torch.nn.functional.interpolate)", [images] {
             return at::zeros({images.size(0), images.size(1), 224, 224}, images.options());
           }}};
}

struct Widths {
  int64_t features = 0, classes = 0;
  bool operator==(const Widths&) const = default;
};

// Of what it gives for such images; nothing where it fails.
std::optional<Widths> widths_for(Network& network, const at::Tensor& images) {
  try {
    const std::vector<at::Tensor> outputs = network.outputs(network.input_of(images), true);
    check_outputs(network, outputs, images.size(0));
    return Widths{outputs[0].size(1), outputs[1].size(1)};
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

Features on_cpu(const Network& network, const std::vector<at::Tensor>& outputs, const at::Tensor& images, bool logits,
                const Widths& widths) {
  const auto rows = [&](const at::Tensor& values, int64_t width) {
    if (values.dim() != 2 || values.size(0) != images.size(0) || values.size(1) != width)
      fail(Exit::data, "{}: for images {} it gives {}, but [{}, {}] for those it was tried on; resize them in the file",
           network.file(), text_of(images.sizes()), text_of(values.sizes()), images.size(0), width);
    return values.to(at::kCPU, at::kFloat);
  };
  return {rows(outputs[0], widths.features), logits ? rows(outputs[1], widths.classes) : at::Tensor()};
}

}  // namespace

Features Extractor::extract(const at::Tensor& images_u8, bool logits, const ImageName& name_of) const {
  Features result = run(resize.applied(images_u8), logits);
  for (const at::Tensor& rows : {result.features, result.logits}) {
    if (!rows.defined() || rows.numel() == 0) continue;
    const at::Tensor bad = at::isfinite(rows).all(1).logical_not().nonzero().flatten();
    if (bad.numel() == 0) continue;
    const int64_t first = bad[0].item<int64_t>();
    fail(Exit::data,
         "{}: the features that {} gives are not finite numbers (a division by the spread of a constant image?)",
         name_of ? name_of(first) : fmt::format("image {}", first), name);
  }
  return result;
}

Extractor load_extractor(const fs::path& file, std::vector<int64_t> sample_shape, c10::Device device, Resize resize) {
  if (!fs::exists(file))
    fail(Exit::missing, "{}: there is no such feature extractor (evaluate.extractor)", file.string());
  const auto network = std::make_shared<Network>(file, device);
  settle(resize, *network, sample_shape);
  constexpr int64_t tried = 4;
  const bool bytes = !resize.any() || resize.rounded;
  const at::Tensor grey_images = trial_images(tried, 1, sample_shape, bytes),
                   colour_images = trial_images(tried, 3, sample_shape, bytes);
  std::optional<Widths> grey, colour;
  // A network that reads its input with view() cannot take the faster layout.
  for (const bool channels_last : {true, false}) {
    if (colour || (grey && sample_shape[0] == 1)) break;
    network->use_channels_last(channels_last);
    colour = widths_for(*network, colour_images);
    grey = widths_for(*network, grey_images);
  }
  const bool grey_set = sample_shape[0] == 1, takes_grey = grey && (grey_set || !colour || *grey == *colour);
  if (takes_grey && !colour && !grey_set) {
    const auto call = [&] { return network->outputs(network->input_of(colour_images), true); };
    check_outputs(
        *network,
        tensor::in_network(file.string(), "it takes grey images alone; forward fails on images of this data set", call),
        tried);
  }
  const tensor::ForeignNetwork foreign = network->as_foreign(network);
  const tensor::Probe probe{
      foreign,
      "image",
      {"features", "logits"},
      [&](const std::vector<at::Tensor>& outputs, int64_t n) { check_outputs(*network, outputs, n); },
      [](const at::Tensor& some, const at::Tensor&) { return remedies_of(some); }};
  const at::Tensor trial = network->input_of(grey_set && takes_grey ? grey_images : colour_images);
  const std::vector<at::Tensor> outputs = tensor::checked_call(probe, {trial, {}});
  tensor::check_function(probe, {trial, {}}, (255 - trial).flip(0));
  const Widths widths{outputs[0].size(1), outputs[1].size(1)};
  if (outputs[0].to(at::kDouble).std(0).max().item<double>() == 0)
    log::warning("{}: the same features for different images; does it want another scale than 0..255?", file.string());

  Extractor extractor;
  extractor.name = file.stem().string();
  extractor.sha256 = sha256_of_file(file);
  extractor.features = widths.features;
  extractor.classes = widths.classes;
  extractor.resize = resize;
  extractor.run = [network, takes_grey, widths](const at::Tensor& images_u8, bool logits) {
    const at::Tensor images = network->input_of(takes_grey ? images_u8 : as_colour(images_u8));
    const auto call = [&] { return network->outputs(images, logits); };
    return on_cpu(
        *network,
        tensor::in_network(network->file(), fmt::format("forward fails on images {}", text_of(images.sizes())), call),
        images, logits, widths);
  };
  return extractor;
}

}  // namespace ddls::metrics
