// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {PlayDollar} from "./PlayDollar.sol";

/// A play dollar that reads the nonce of an authorization the other way there is: 192 bits name a queue, and the last
/// 64 are the place in it, counted from zero. A nonce that is not the next of its queue fails, so 32 random bytes do.
/// Queue zero is one like the others here; where it is shared with the nonces of permits, a wallet must not use it.
contract PlaySequenceDollar is PlayDollar {
    mapping(address => mapping(uint192 => uint64)) private _next;

    function name() public pure override returns (string memory) {
        return "Sequence Dollar";
    }

    function symbol() public pure override returns (string memory) {
        return "SEQD";
    }

    function version() public pure override returns (string memory) {
        return "1";
    }

    function authorizationState(address authorizer, bytes32 nonce) public view override returns (bool) {
        return _next[authorizer][_queue(nonce)] > uint64(uint256(nonce));
    }

    function _take(address authorizer, bytes32 nonce) internal override {
        uint64 next = _next[authorizer][_queue(nonce)]++;
        require(next == uint64(uint256(nonce)), "PlaySequenceDollar: nonce is not the next of its queue");
    }

    function _queue(bytes32 nonce) private pure returns (uint192) {
        return uint192(uint256(nonce) >> 64);
    }
}
