#include "config/load.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/files.hpp"
#include "unit/base/expect_error.hpp"
#include "unit/base/scratch.hpp"

namespace ddls::config::load_test {
namespace {

using test::Scratch;

// Samplers as a configuration knows them: this folder has none of its own.
struct WalkOptions {
  int64_t steps = 10;
  double step_size = 0.01, step_size_end = 0;
  std::vector<double> sizes{1};
};

Config with_samplers() {
  Config config;
  const auto keys = [](Section& s, WalkOptions& o) {
    s.value("steps", &o.steps, "steps", at_least(0));
    s.value("step_size", &o.step_size, "first size", above(0));
    s.value("step_size_end", &o.step_size_end, "last size", at_least(0));
    s.value("sizes", &o.sizes, "sizes in turn", above(0));
  };
  const auto check = [](const WalkOptions& o) -> std::vector<Conflict> {
    if (o.step_size_end <= o.step_size) return {};
    return {{{"step_size_end", "step_size"}, "step sizes only fall"}};
  };
  config.sample.samplers = {{"generator", "no options", {}, false},
                            {"ddls", "a walk", Options::of<WalkOptions>(keys, check)},
                            {"mala", "another walk", Options::of<WalkOptions>(keys, check)}};
  return config;
}

Config load_config(const std::string& file, const std::vector<std::string>& overrides) {
  return ddls::config::load_config(file, overrides, with_samplers());
}

class Load : public testing::Test {
 protected:
  // Tests run inside the scratch folder, so that messages hold short relative names.
  Load() : before_(fs::current_path()) { fs::current_path(scratch_.path()); }
  ~Load() override { fs::current_path(before_); }
  void file(const std::string& name, const std::string& text) {
    if (const auto folder = (scratch_ / name).parent_path(); !fs::exists(folder)) make_folder(folder);
    write_file(scratch_ / name, text);
  }

  Scratch scratch_;
  fs::path before_;
};

TEST_F(Load, NothingGivesTheDefaults) {
  const Config config = load_config("", {});
  EXPECT_EQ(to_yaml(config), to_yaml(with_samplers()));
  EXPECT_EQ(config.train.steps, 10'000);
}

TEST_F(Load, AFileAndOverridesInOrder) {
  file("a.yaml", "name: x\ntrain:\n  steps: 5\n  ratio: {adam: {lr: 0.5}}\n");
  const Config config = load_config("a.yaml", {"train.steps=6", "train.steps=7", "sample.methods=[mala]"});
  EXPECT_EQ(config.name, "x");
  EXPECT_EQ(config.train.steps, 7);
  EXPECT_EQ(config.train.ratio.adam.lr, 0.5);
  EXPECT_EQ(config.train.ratio.adam.beta1, 0.9);
  EXPECT_EQ(config.sample.methods, std::vector<std::string>{"mala"});
}

TEST_F(Load, TheNearerFileWins) {
  file("far.yaml", "seed: 1\ntrain: {steps: 1, batch: 4, log_every: 11}\n");
  file("sub/middle.yaml", "base: ../far.yaml\ntrain: {steps: 2, batch: 8}\n");
  file("near.yaml", "base: sub/middle.yaml\ntrain: {steps: 3}\n");
  const Config config = load_config("near.yaml", {});
  EXPECT_EQ(config.train.steps, 3);
  EXPECT_EQ(config.train.batch, 8);
  EXPECT_EQ(config.train.log_every, 11);
}

TEST_F(Load, PathsCountFromTheirFile) {
  file("sub/base.yaml", "data: {kind: npz, train: ../x/train.npz, test: /abs/test.npz}\n");
  file("a.yaml", "base: sub/base.yaml\n");
  const Config config = load_config("a.yaml", {"evaluate.extractor=net.pt"});
  EXPECT_EQ(config.data.train, (scratch_ / "x/train.npz").string());
  EXPECT_EQ(config.data.test, "/abs/test.npz");
  EXPECT_EQ(config.evaluate.extractor, std::vector{(scratch_ / "net.pt").string()});
}

TEST_F(Load, CirclesAreAnError) {
  file("a.yaml", "seed: 2\nbase: b.yaml\n");
  file("b.yaml", "base: a.yaml\n");
  EXPECT_ERROR(load_config("a.yaml", {}), Exit::config,
               "b.yaml:1:1: base: the files lead in a circle: a.yaml -> b.yaml -> a.yaml");
  file("self.yaml", "base: ./self.yaml\n");
  EXPECT_ERROR(load_config("self.yaml", {}), Exit::config,
               "self.yaml:1:1: base: the files lead in a circle: self.yaml -> self.yaml");
}

TEST_F(Load, MissingFiles) {
  EXPECT_ERROR(load_config("none.yaml", {}), Exit::missing, "cannot read none.yaml: No such file or directory");
  file("a.yaml", "name: x\nbase: none.yaml\n");
  EXPECT_ERROR(load_config("a.yaml", {}), Exit::missing,
               "a.yaml:2:1: base: cannot read none.yaml: No such file or directory");
}

TEST_F(Load, EverythingAtOnce) {
  file("base.yaml", "train:\n  stesp: 5\n");
  file("a.yaml",
       "base: base.yaml\n"
       "data:\n"
       "  kind: images\n"
       "train:\n"
       "  batch: 250\n"
       "  generator:\n"
       "    beta1: 1\n"
       "  shards: 4\n");
  EXPECT_ERROR(
      load_config("a.yaml", {"sample.count=0", "output.tensorboard=1"}), Exit::config,
      "base.yaml:2:3: train.stesp: unknown key; did you mean 'steps'?\n"
      "a.yaml:7:12: train.generator.beta1: expected a number in [0, 1), got '1'\n"
      "--set sample.count=0: sample.count: expected an integer >= 1, got '0'\n"
      "--set output.tensorboard=1: output.tensorboard: expected true or false, got '1'; write true\n"
      "a.yaml:3:3: data.train: needed for data.kind images\n"
      "a.yaml:3:3: data.test: needed for evaluate.reference test; name a test set, or set evaluate.reference to train\n"
      "a.yaml:5:3: train.batch: 250 is not a multiple of train.shards (4)");
}

TEST_F(Load, AConflictIsPlacedAtWhatWasSet) {
  EXPECT_ERROR(load_config("", {"train.shards=128"}), Exit::config,
               "--set train.shards=128: train.ratio.refine.batch: 64 is not a multiple of train.shards (128)");
}

TEST_F(Load, NoFollowUpsOfAValueThatCouldNotBeRead) {
  EXPECT_ERROR(load_config("", {"train.shards=128", "train.ratio.refine.batch=x"}), Exit::config,
               "--set train.ratio.refine.batch=x: train.ratio.refine.batch: expected an integer >= 1, got 'x'");
}

TEST_F(Load, BaseStandsInFilesOnly) {
  EXPECT_ERROR(load_config("", {"base=a.yaml"}), Exit::config,
               "--set base=a.yaml: base: stands in files only; name the file with --config");
}

TEST_F(Load, ABrokenFileDoesNotHideOtherProblems) {
  file("a.yaml", "train: [\n");
  EXPECT_ERROR(load_config("a.yaml", {"seed=x"}), Exit::config,
               "a.yaml:2:1: not valid YAML: end of sequence flow not found\n"
               "--set seed=x: seed: expected an integer >= 0, got 'x'");
}

std::string conflicts_of(const Config& config) {
  std::string out;
  for (const Conflict& c : check(config)) out += c.keys[0] + ": " + c.message + "\n";
  return out;
}

TEST(Check, Defaults) { EXPECT_EQ(conflicts_of(Config{}), ""); }

TEST(Check, Names) {
  Config config;
  for (const char* good : {"a", "cifar10-sn.v2_b", "25gaussians"}) {
    config.name = good;
    EXPECT_EQ(conflicts_of(config), "") << good;
  }
  for (const std::string& bad : {std::string(), std::string("a/b"), std::string(".."), std::string("-x"),
                                 std::string("a b"), std::string("é"), std::string(101, 'x')}) {
    config.name = bad;
    EXPECT_EQ(conflicts_of(config),
              "name: expected a folder name: up to 100 letters, digits, '.', '_', '-', first a letter or digit\n")
        << bad;
  }
}

TEST(Check, Data) {
  Config config;
  config.data.kind = "idx";
  config.data.train = "/x";
  config.data.train_labels = "/l";
  config.evaluate.reference = "train";
  config.model.architecture = "dcgan";
  EXPECT_EQ(conflicts_of(config), "");
  config.data.kind = "npz";
  config.data.channels = 2;
  EXPECT_EQ(
      conflicts_of(config),
      "data.train_labels: only for data.kind idx and npy, but it is npz\ndata.channels: expected 0, 1 or 3, got 2\n");
  config = Config{};
  config.data.train = "/x";
  config.evaluate.reference = "train";
  config.data.kind = "idx";
  config.data.on_demand = true;
  config.data.crop = "random";
  EXPECT_EQ(conflicts_of(config),
            "data.on_demand: only for data.kind images and tar, but it is idx\n"
            "data.crop: crops are made to data.image_size, which is not given\n");
  config.data.on_demand = false;
  config.data.image_size = 32;
  EXPECT_EQ(conflicts_of(config),
            "data.crop: random crops need images decoded on demand: data.kind tar, or images with data.on_demand\n");
  config.data.kind = "tar";
  config.data.flip = config.data.dequantise = true;
  EXPECT_EQ(conflicts_of(config), "");
  config = Config{};
  config.data.flip = config.data.dequantise = true;
  EXPECT_EQ(conflicts_of(config), "data.flip: points cannot be mirrored\ndata.dequantise: points are not quantised\n");
  config = Config{};
  config.model.architecture = "dcgan";
  EXPECT_EQ(conflicts_of(config),
            "model.architecture: dcgan makes images, but data.kind gaussians25 are points; use mlp\n");
}

TEST(Check, Precision) {
  Config config;
  config.sample.precision = "bfloat16";
  EXPECT_EQ(conflicts_of(config),
            "sample.precision: a bfloat16 gradient of a perceptron on points is off by a tenth; take float32\n");
  config.data.kind = "cifar10";
  config.data.train = config.data.test = "/x";
  config.model.architecture = "sn_resnet";
  EXPECT_EQ(conflicts_of(config), "");
  config.model.upsampling = "bilinear";
  config.train.ratio.output_noise = 0.1;
  config.train.ratio.steps = 100;
  EXPECT_EQ(conflicts_of(config),
            "sample.precision: bilinear upsampling has no inference graph; take float32\n"
            "sample.precision: chains with output noise run in float32\n");
}

TEST(Check, Train) {
  Config config;
  config.train.batch = 250;
  EXPECT_EQ(conflicts_of(config), "");  // auto finds a number that divides
  config.train.shards = 0;              // one per rank: nothing has to divide
  EXPECT_EQ(conflicts_of(config), "");
  config.train.shards = 4;
  config.train.ratio.batch = 510;
  config.train.ratio.refine.steps = 1;
  config.train.ratio.refine.chains = 65;
  config.train.classifier.batch = 1;
  EXPECT_EQ(conflicts_of(config),
            "train.batch: 250 is not a multiple of train.shards (4)\n"
            "train.ratio.batch: 510 is not a multiple of train.shards (4)\n"
            "train.classifier.batch: 1 is not a multiple of train.shards (4)\n"
            "train.ratio.refine.steps: refines a fitted ratio; train.ratio.steps is 0\n"
            "train.ratio.refine.chains: 65 is not a multiple of train.ratio.refine.batch (64)\n");
}

TEST(Check, ModelAndSample) {
  Config config = with_samplers();
  config.model.ratio_widths.clear();
  config.sample.methods = {"ddls", "mala", "ddls"};
  config.sample.options_of("mala").as<WalkOptions>().step_size_end = 0.02;
  EXPECT_EQ(conflicts_of(config),
            "model.ratio_widths: expected at least one width\n"
            "sample.methods: 'ddls' is given twice\n"
            "sample.mala.step_size_end: step sizes only fall\n");
  config = with_samplers();
  config.sample.methods.clear();
  EXPECT_EQ(conflicts_of(config), "sample.methods: expected at least one method\n");
}

TEST_F(Load, SamplersBringTheirWordsKeysAndRules) {
  EXPECT_ERROR(load_config("", {"sample.methods=[hmc]", "sample.mala.step_size=0", "sample.mala.stesp=1",
                                "sample.ddls.step_size_end=1"}),
               Exit::config,
               "--set sample.methods=[hmc]: sample.methods[0]: expected one of: generator, ddls, mala, got 'hmc'\n"
               "--set sample.mala.step_size=0: sample.mala.step_size: expected a number > 0, got '0'\n"
               "--set sample.mala.stesp=1: sample.mala.stesp: unknown key; did you mean 'steps'?\n"
               "--set sample.ddls.step_size_end=1: sample.ddls.step_size_end: step sizes only fall");
}

// Of the losses only the logistic ones leave a log-ratio; else one is fitted, or the score is calibrated.
TEST(Check, ScoresThatAreNoLogRatio) {
  Config config = with_samplers();
  config.train.loss = "hinge";
  EXPECT_EQ(conflicts_of(config),
            "train.ratio.steps: a hinge score is no log-ratio, and DDLS needs one; give train.ratio.steps to fit it, "
            "or train.calibration.method\n");
  for (const char* method : {"platt", "isotonic", "head", "scale"}) {
    config.train.calibration.method = method;
    EXPECT_EQ(conflicts_of(config), "") << method;
  }
  config.train.calibration.scale = 0.5;
  EXPECT_EQ(conflicts_of(config), "");
  config.train.calibration.method = "platt";
  EXPECT_EQ(conflicts_of(config), "train.calibration.scale: only for method scale, but it is platt\n");
}

// Another value for a field, one that its range allows.
struct Change {
  const Allowed& allowed;
  void operator()(bool* p) const { *p = !*p; }
  void operator()(uint64_t* p) const { *p += 1'000'003; }
  void operator()(int64_t* p) const { *p = another(*p); }
  void operator()(double* p) const { *p = another(*p); }
  void operator()(std::string* p) const { *p = another(*p); }
  template <typename T>
  void operator()(std::vector<T>* p) const {
    if (p->empty()) p->push_back(T{});
    for (T& value : *p) value = another(value);
  }
  int64_t another(int64_t value) const {
    if (!allowed.max) return value + 3;
    const auto max = static_cast<int64_t>(*allowed.max);
    return value == max ? max - 1 : max;
  }
  double another(double value) const { return allowed.max ? (*allowed.max - value) * 0.77 : value + 1.0 / 3; }
  std::string another(const std::string& value) const {
    if (allowed.path) return "/some where/" + value;
    if (allowed.words.empty()) return value + "-x2";
    return allowed.words.back() == value ? allowed.words.front() : allowed.words.back();
  }
};

int64_t change_all(Section& section) {
  int64_t fields = 0;
  for (Field& field : section.fields()) std::visit(Change{field.allowed}, field.target), ++fields;
  for (const auto& child : section.sections()) fields += change_all(*child);
  return fields;
}

void expect_all_differ(const Section& a, const Section& b) {
  for (size_t i = 0; i < a.fields().size(); ++i) {
    std::visit([&](auto* p) { EXPECT_NE(*p, *std::get<decltype(p)>(b.fields()[i].target)) << a.fields()[i].name; },
               a.fields()[i].target);
  }
  for (size_t i = 0; i < a.sections().size(); ++i) expect_all_differ(*a.sections()[i], *b.sections()[i]);
}

TEST(Print, EveryFieldReadsBack) {
  Config defaults = with_samplers(), changed = with_samplers();
  Section defaults_root("", ""), root("", "");
  bind(defaults_root, defaults);
  bind(root, changed);
  EXPECT_GT(change_all(root), 60);
  expect_all_differ(defaults_root, root);
  for (const bool comments : {true, false}) {
    Config again = with_samplers();
    Section again_root("", "");
    bind(again_root, again);
    std::vector<ConfigProblem> problems;
    const std::string yaml = to_yaml(changed, comments);
    read_yaml(again_root, yaml, "elsewhere/config.yaml", problems);
    EXPECT_TRUE(problems.empty()) << problems[0].text();
    expect_all_differ(defaults_root, again_root);
    EXPECT_EQ(to_yaml(again, comments), yaml);
  }
}

TEST(Print, EveryKeyIsDocumented) {
  const auto visit = [](const auto& self, const Section& section, const std::string& prefix) -> void {
    std::vector<std::string> names;
    for (const Field& field : section.fields()) {
      EXPECT_FALSE(field.doc.empty()) << prefix << field.name;
      names.push_back(field.name);
    }
    for (const auto& child : section.sections()) {
      EXPECT_FALSE(child->doc().empty()) << prefix << child->name();
      names.push_back(child->name());
      self(self, *child, prefix + child->name() + ".");
    }
    std::sort(names.begin(), names.end());
    EXPECT_EQ(std::adjacent_find(names.begin(), names.end()), names.end()) << prefix;
  };
  Config config = with_samplers();
  Section root("", "");
  bind(root, config);
  visit(visit, root, "");
}

// Keys without those options that were added later and have their default.
TEST(Print, DifferencesAreThoseAlone) {
  Config from, to;
  EXPECT_EQ(differences(from, to), "");
  to.seed = 7;
  to.train.shards = 2;
  to.train.generator.lr = 0.25;
  to.data.train = "a set";
  EXPECT_EQ(
      differences(from, to),
      fmt::format("seed: {} -> 7\ndata.train: \"\" -> \"a set\"\ntrain.shards: auto -> 2\ntrain.generator.lr: {} -> "
                  "0.25\n",
                  from.seed, from.train.generator.lr));
}

TEST(Print, KeysHoldLaterOptionsWhereTheyAreSet) {
  Config config = with_samplers();
  EXPECT_EQ(key_text(config).find("alpha:"), std::string::npos);
  config.data.alpha = "black";
  EXPECT_NE(key_text(config).find("\n  alpha: black\n"), std::string::npos);
  config.sample.options_of("mala").as<WalkOptions>().steps = 77;
  EXPECT_NE(key_text(config).find("\n  mala:\n    steps: 77\n"), std::string::npos);
}

// What the GAN phase alone reads would be without effect.
TEST_F(Load, APretrainedGeneratorHasNoAdversarialTraining) {
  file("gan.yaml",
       "model: {architecture: pretrained, generator: nets/gan.pt2, ratio_widths: [8], ratio_architecture: mlp}\n"
       "train: {shards: 4, ratio: {steps: 5}, calibration: {method: platt}, log_every: 3}\n");
  const Config config = load_config("gan.yaml", {});
  EXPECT_EQ(config.model.generator, (fs::current_path() / "nets/gan.pt2").string());
  const auto refused = [&](const std::string& setting, const std::string& key, const std::string& text) {
    try {
      load_config("gan.yaml", {setting});
      ADD_FAILURE() << setting;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Exit::config);
      const std::string message = error.what();
      EXPECT_NE(message.find(key + ": "), std::string::npos) << message;
      EXPECT_NE(message.find(text), std::string::npos) << message;
    }
  };
  for (const std::string key : {"train.steps=7", "train.r1_weight=1", "train.generator.lr=1e-3", "train.ddls.mode=both",
                                "model.generator_widths=[3]", "train.evaluate_every=5"})
    refused(key, key.substr(0, key.find('=')), "networks that are trained here");
  refused("sample.cuda_graph=true", "sample.cuda_graph", "pretrained");
  refused("model.generator=", "model.generator", "pretrained needs its file");
  refused("model.architecture=mlp", "model.generator", "only for pretrained");
  refused("model.dropout=0.1", "model.dropout", "only for mlp_cgan, but model.ratio_architecture is mlp");
}

}  // namespace
}  // namespace ddls::config::load_test
