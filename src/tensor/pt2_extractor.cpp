#include "tensor/pt2_extractor.hpp"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/custom_class.h>

#include <cstdio>
#include <tuple>

#include "base/error.hpp"
#include "tensor/description_reader.hpp"
#include "tensor/pt2_self_test.hpp"

namespace ddls::tensor {

struct Pt2Extractor::Programs {
  Pt2Program features;                      // Pt2Use::values
  Pt2Program features_float, features_vjp;  // Pt2Use::gradients
};

// What the programs gave where they were written; rows of float64 on the CPU.
struct Pt2Extractor::Described {
  Pt2Origin origin;
  struct Test {
    int64_t rows = 0, height = 0, width = 0;
    at::Tensor features, logits;       // [rows, F]; [rows, K]
    at::Tensor gradient_at, gradient;  // places in a flattened image, and the gradients there; undefined: none pass
  };
  std::vector<Test> tests;
};

namespace {

using ProgramTensors = std::vector<at::Tensor>;
constexpr int64_t most_size = 65536;

// Images of the self-test, as tools/export_extractor.py makes them: of row i, channel c, line h and column w
// ((i + 1) (7 h + 13 w) + 61 c + (h w) mod 31) mod 256.
at::Tensor test_images(int64_t rows, int64_t channels, int64_t height, int64_t width) {
  const at::Tensor i = at::arange(rows, at::kLong).view({-1, 1, 1, 1}),
                   c = at::arange(channels, at::kLong).view({1, -1, 1, 1}),
                   h = at::arange(height, at::kLong).view({1, 1, -1, 1}),
                   w = at::arange(width, at::kLong).view({1, 1, 1, -1});
  return ((i + 1) * (h * 7 + w * 13) + c * 61 + (h * w).remainder(31)).remainder(256).to(at::kByte);
}

}  // namespace

// Programs have no autograd: the backward pass is one of them.
struct Pt2Extractor::Call : torch::CustomClassHolder {
  explicit Call(std::shared_ptr<const Programs> p) : programs(std::move(p)) {}
  std::shared_ptr<const Programs> programs;

  struct Features : torch::autograd::Function<Features> {
    static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& images,
                              const c10::intrusive_ptr<Call>& call) {
      context->save_for_backward({images});
      context->saved_data["call"] = c10::IValue::make_capsule(call);
      return call->programs->features_float({images}, 1).front();
    }
    static ProgramTensors backward(torch::autograd::AutogradContext* context, const ProgramTensors& gradients) {
      const auto call = c10::static_intrusive_pointer_cast<Call>(context->saved_data["call"].toCapsule());
      return {call->programs->features_vjp({context->get_saved_variables().front(), gradients[0]}, 1).front(), {}};
    }
  };
};

Pt2Extractor::Pt2Extractor(const std::filesystem::path& file, const std::string& what, c10::Device device, Pt2Use use)
    : file_(file.string()) {
  const Pt2Archive archive = open_pt2(file, what, extractor_exporter);
  if (archive.programs.count("decode") > 0 && archive.programs.count("features") == 0)
    fail(Exit::data, "{}: an archive of a GAN (it has {}) and not of an extractor; {}", file_,
         fmt::join(archive.programs, ", "), archive.cure);
  Described about;
  describe(archive, about);
  require_device(about.origin, file_, device);
  load(archive, use);
  self_test(about, device, use);
}

void Pt2Extractor::describe(const Pt2Archive& archive, Described& about) {
  const std::string where = file_ + ": ddls.json";
  const Json json = parse_json_object(archive.description, where);
  const DescriptionReader reader(json, where, archive.cure);
  about.origin = origin_of(reader, "ddls_dist extractor", "a GAN's archive");
  const auto resize = reader.field<std::string>("resize");  // how the network scales images: "torch-bicubic 224 x 224"
  if (reader.field<std::string>("layout") != "NCHW") reader.refuse("layout", "is not NCHW, as images are given here");
  const at::Tensor range = reader.numbers("range", 2, 0);
  if (range[0].item<double>() != 0 || range[1].item<double>() != 255)
    reader.refuse("range", "is not [0, 255], in which images lie here");
  channels_ = reader.number("channels", 1, 3);
  if (channels_ == 2) reader.refuse("channels", "is 2; images have 1 or 3");
  features_ = reader.number("features", 1, 1 << 24);
  classes_ = reader.number("logits", 0, 1 << 24);
  if (reader.has("feature_groups")) {
    const at::Tensor widths = reader.numbers("feature_groups", reader.length("feature_groups"), 0).to(at::kLong);
    groups_.assign(widths.data_ptr<int64_t>(), widths.data_ptr<int64_t>() + widths.numel());
    if (widths.min().item<int64_t>() < 1 || widths.sum().item<int64_t>() != features_)
      reader.refuse("feature_groups", fmt::format("are no widths of groups of {} features", features_));
  }
  if (!reader.field<Json>("size").is_null()) {
    const at::Tensor size = reader.numbers("size", 2, 0);
    size_ = {static_cast<int64_t>(size[0].item<double>()), static_cast<int64_t>(size[1].item<double>())};
    if (size_->first < 1 || size_->first > most_size || size_->second < 1 || size_->second > most_size)
      reader.refuse("size", "is no height and width; or null: images of any size");
  }
  long long height = 0, width = 0;
  if (size_)
    std::tie(height, width) = *size_;
  else if (const size_t name = resize.find(' '); name != std::string::npos)
    std::sscanf(resize.c_str() + name, "%lld x %lld", &height, &width);
  if (height == width) side_ = height;
  reader.length("self_test");
  const Json tests = reader.field<Json>("self_test");
  for (const Json& item : tests) {
    const DescriptionReader part(item, where + ", self_test", archive.cure);
    Described::Test test;
    test.rows = part.number("rows", 1, 64);
    test.height = part.number("height", 1, most_size);
    test.width = part.number("width", 1, most_size);
    test.features = part.numbers("features", test.rows, features_);
    test.logits = classes_ > 0 ? part.numbers("logits", test.rows, classes_) : at::zeros({test.rows, 0}, at::kDouble);
    if (part.has("gradient")) {
      test.gradient_at = part.numbers("gradient_at", part.length("gradient_at"), 0).to(at::kLong);
      test.gradient = part.numbers("gradient", test.rows, test.gradient_at.numel());
      if (test.gradient_at.min().item<int64_t>() < 0 ||
          test.gradient_at.max().item<int64_t>() >= channels_ * test.height * test.width)
        part.refuse("gradient_at", "has places outside an image");
    }
    about.tests.push_back(test);
  }
}

void Pt2Extractor::load(const Pt2Archive& archive, Pt2Use use) {
  Programs p;
  if (use == Pt2Use::values) {
    p.features = {archive, "features"};
  } else {
    if (archive.programs.count("features_vjp") == 0)
      fail(Exit::data,
           "{}: no gradient passes through this network (it has {}), and samplers follow the gradient of features; {}",
           file_, fmt::join(archive.programs, ", "), archive.cure);
    p.features_float = {archive, "features_float"};
    p.features_vjp = {archive, "features_vjp"};
  }
  programs_ = std::make_shared<const Programs>(std::move(p));
}

void Pt2Extractor::self_test(const Described& about, c10::Device device, Pt2Use use) const {
  const Programs& p = *programs_;
  for (const Described::Test& test : about.tests) {
    const at::Tensor images = test_images(test.rows, channels_, test.height, test.width).to(device);
    const Pt2Trial trial(file_, about.origin, fmt::format("images [{}]", fmt::join(images.sizes(), ", ")));
    if (use == Pt2Use::values) {
      const ProgramTensors given = trial.run(p.features, {images}, 2);
      trial.compare(p.features, "features", given[0], test.features);
      trial.compare(p.features, "logits", given[1], test.logits);
      continue;
    }
    const at::Tensor floats = images.to(at::kFloat);
    const at::Tensor features = trial.run(p.features_float, {floats}, 1).front();
    trial.compare(p.features_float, "features", features, test.features);
    if (!test.gradient.defined()) continue;
    const at::Tensor slope = trial.run(p.features_vjp, {floats, trial_gradients(features)}, 1).front();
    trial.compare(p.features_vjp, "gradients", slope.flatten(1).to(at::kCPU).index_select(1, test.gradient_at),
                  test.gradient);
  }
}

void Pt2Extractor::require_images(const at::Tensor& images) const {
  if (images.dim() != 4 || images.size(1) != channels_)
    fail(Exit::data, "{}: it takes images of {} channels, not [{}]", file_, channels_, fmt::join(images.sizes(), ", "));
  if (size_ && (images.size(2) != size_->first || images.size(3) != size_->second))
    fail(Exit::data,
         "{}: it takes images of {} x {} pixels alone, but these have {} x {}; export it with a resize "
         "(tools/export_extractor.py --resize), or for this size",
         file_, size_->first, size_->second, images.size(2), images.size(3));
}

std::vector<at::Tensor> Pt2Extractor::outputs(const at::Tensor& images_u8) const {
  require_images(images_u8);
  return programs_->features({images_u8}, 2);
}

at::Tensor Pt2Extractor::of(const at::Tensor& images) const {
  require_images(images);
  const at::Tensor floats = images.to(at::kFloat);
  const at::Tensor features = at::GradMode::is_enabled() && floats.requires_grad()
                                  ? Call::Features::apply(floats, c10::make_intrusive<Call>(programs_))
                                  : programs_->features_float({floats}, 1).front();
  return features.to(images.scalar_type());
}

at::Tensor Pt2Extractor::pullback(const at::Tensor& images, const at::Tensor& gradient) const {
  require_images(images);
  return programs_->features_vjp({images.to(at::kFloat), gradient.to(at::kFloat)}, 1).front().to(images.scalar_type());
}

}  // namespace ddls::tensor
