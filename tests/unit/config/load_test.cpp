#include "config/load.hpp"

#include <gtest/gtest.h>

#include "base/files.hpp"
#include "unit/base/expect_error.hpp"
#include "unit/base/scratch.hpp"
#include "unit/config/walk_options.hpp"

namespace ddls::config::load_test {
namespace {

using test::Scratch;
using test::WalkOptions;
using test::with_samplers;

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

TEST_F(Load, SamplersBringTheirWordsKeysAndRules) {
  EXPECT_ERROR(load_config("", {"sample.methods=[hmc]", "sample.mala.step_size=0", "sample.mala.stesp=1",
                                "sample.ddls.step_size_end=1"}),
               Exit::config,
               "--set sample.methods=[hmc]: sample.methods[0]: expected one of: generator, ddls, mala, got 'hmc'\n"
               "--set sample.mala.step_size=0: sample.mala.step_size: expected a number > 0, got '0'\n"
               "--set sample.mala.stesp=1: sample.mala.stesp: unknown key; did you mean 'steps'?\n"
               "--set sample.ddls.step_size_end=1: sample.ddls.step_size_end: step sizes only fall");
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
