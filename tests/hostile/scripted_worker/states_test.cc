// Every message in every state, against the table of docs/protocol.md: a live worker sends it, and
// the broker goes on or says which message came in which state.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "tests/hostile/scripted_worker/fixture.h"

namespace hotcell::hostile {
namespace {

using testing::HasSubstr;

constexpr std::array kMessages = {"Confined", "Ready",     "Output", "Trace",
                                  "Finished", "Violation", "Failure"};

// The messages that each state allows, from the rows "| state | to the worker | from the worker |".
std::map<std::string, std::set<std::string>> DocumentedStates() {
  std::ifstream document(PROTOCOL_DOCUMENT);
  std::map<std::string, std::set<std::string>> states;
  for (std::string line; std::getline(document, line);) {
    const std::vector<std::string> cells = absl::StrSplit(line, " | ");
    if (cells.size() != 3 || !line.starts_with("| ")) continue;
    const std::string state(absl::StripPrefix(cells[0], "| "));
    for (const char* const message : kMessages) {
      if (cells[2].find(absl::StrCat("`", message, "`")) == std::string::npos) continue;
      states[state].insert(message);
    }
  }
  return states;
}

std::string MessageFrame(const std::string& name) {
  if (name == "Confined") return Frame(Confined());
  if (name == "Ready") return Frame(Ready());
  if (name == "Output") return Frame(Output("x"));
  if (name == "Trace") return Frame(Trace("x"));
  if (name == "Finished") return Frame(Finished(v1::END_REASON_HALTED));
  if (name == "Violation") return Frame(Violation(59, v1::PHASE_RUN));
  return Frame(Failure(v1::STEP_MMAP, 0, ""));
}

// A worker that has come to `state` by the rules.
Script ComeTo(const std::string& state) {
  if (state == "spawned") return Script();
  // The broker starts a confined worker: it runs as soon as it is ready.
  if (state == "confined") return Script().Write(Frame(Confined())).Receive();
  return Running();
}

class StateTest : public HostileWorkerTest,
                  public testing::WithParamInterface<std::tuple<const char*, const char*>> {};

TEST_P(StateTest, TakesWhatTheProtocolAllowsAndRefusesTheRest) {
  const auto [state, message] = GetParam();
  const bool allowed = DocumentedStates().at(state).contains(message);
  has_console_ = true;
  const absl::Status status = Run(ComeTo(state).Write(MessageFrame(message)).Exit(42)).status();
  const std::string refusal =
      absl::StrCat("the worker broke the control protocol: ", message, " in state ", state);
  EXPECT_EQ(absl::StrContains(status.message(), "broke the control protocol"), !allowed) << status;
  EXPECT_EQ(absl::StrContains(status.message(), refusal), !allowed) << status;
  EXPECT_LT(elapsed_, kSlack);
}

INSTANTIATE_TEST_SUITE_P(Matrix, StateTest,
                         testing::Combine(testing::Values("spawned", "confined", "running"),
                                          testing::ValuesIn(kMessages)),
                         [](const auto& test) {
                           return absl::StrCat(std::get<1>(test.param), "In",
                                               std::get<0>(test.param));
                         });

using StatesTest = HostileWorkerTest;

TEST_F(StatesTest, TheDocumentHasAllFive) {
  const auto states = DocumentedStates();
  // A finished worker says nothing.
  EXPECT_EQ(states.size(), 4u);
  EXPECT_THAT(states.at("spawned"),
              testing::UnorderedElementsAre("Confined", "Failure", "Violation"));
  EXPECT_THAT(states.at("ready"), testing::UnorderedElementsAre("Trace", "Failure", "Violation"));
}

TEST_F(StatesTest, AResultBeforeTheGuestRunsIsRefused) {
  const std::string finished = MessageFrame("Finished");
  EXPECT_THAT(Error(Script().Write(finished), kInternal), HasSubstr("Finished in state spawned"));
  EXPECT_THAT(Error(Script().Write(Frame(Confined())).Write(finished), kInternal),
              HasSubstr("Finished in state confined"));
}

TEST_F(StatesTest, AllOfAJobInOneWriteIsTaken) {
  // It may be ready before it reads that it is to start.
  EXPECT_THAT(Error(Script().Write(Frame(Confined()) + Frame(Ready()) + MessageFrame("Trace") +
                                   MessageFrame("Failure")),
                    kInternal),
              HasSubstr("the worker failed to mmap"));
}

TEST_F(StatesTest, NothingCountsAfterTheFirstFinished) {
  for (const std::string& more :
       {MessageFrame("Finished"), MessageFrame("Confined"), MessageFrame("Violation"),
        Frame("", UINT32_MAX), Frame(Finished(v1::END_REASON_KVM_ERROR))}) {
    const auto reply = Run(Running().Write(MessageFrame("Finished") + more));
    ASSERT_TRUE(reply.ok()) << reply.status();
    EXPECT_EQ(reply->worker.end.reason, EndReason::kHalted);
  }
}

TEST_F(StatesTest, AFloodAfterFinishedEndsWithTheJob) {
  EXPECT_TRUE(
      Run(Running().Write(MessageFrame("Finished")).WriteForever(MessageFrame("Trace"))).ok());
  EXPECT_LT(elapsed_, kSlack);
}

TEST_F(StatesTest, AWorkerThatSaysNothingEndsAtTheDeadline) {
  options_.limits.wall_time = absl::Milliseconds(200);
  EXPECT_THAT(Error(Script().Hang(), kDeadline), HasSubstr("`wall-time` of 200ms"));
}

}  // namespace
}  // namespace hotcell::hostile
