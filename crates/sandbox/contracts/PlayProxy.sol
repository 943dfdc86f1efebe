// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {PlayPermit2} from "./PlayPermit2.sol";

interface Permitting {
    function permit(
        address owner, address spender, uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s
    ) external;
}

/// What the two spenders have in common that x402 names to Permit2: the payee is part of what was signed, and whoever
/// takes a payment to the chain can send it nowhere else.
/// A call back into them gains nothing with play dollars, so they have no guard against one.
abstract contract PlayProxy {
    PlayPermit2 public constant PERMIT2 = PlayPermit2(0x000000000022D473030F116dDEE9F6B43aC78BA3);

    /// A signed allowance for Permit2, in the order of the real ABI.
    struct EIP2612Permit {
        uint256 value;
        uint256 deadline;
        bytes32 r;
        bytes32 s;
        uint8 v;
    }

    event Settled();
    event SettledWithPermit();
    event EIP2612PermitFailedWithReason(address indexed token, address indexed owner, string reason);
    event EIP2612PermitFailedWithPanic(address indexed token, address indexed owner, uint256 errorCode);
    event EIP2612PermitFailedWithData(address indexed token, address indexed owner, bytes data);

    error InvalidDestination();
    error InvalidOwner();
    error InvalidAmount();
    error PaymentTooEarly();
    error Permit2612AmountMismatch();

    function _check(uint256 amount, address owner, address to, uint256 validAfter) internal view {
        if (amount == 0) revert InvalidAmount();
        if (owner == address(0)) revert InvalidOwner();
        if (to == address(0)) revert InvalidDestination();
        if (block.timestamp < validAfter) revert PaymentTooEarly();
    }

    /// Gives Permit2 the allowance its owner signed. One that fails is told and passed over: the allowance may be there.
    function _allow(PlayPermit2.TokenPermissions calldata permitted, address owner, EIP2612Permit calldata permit)
        internal
    {
        if (permit.value != permitted.amount) revert Permit2612AmountMismatch();
        address token = permitted.token;
        try Permitting(token).permit(
            owner, address(PERMIT2), permit.value, permit.deadline, permit.v, permit.r, permit.s
        ) {} catch Error(string memory reason) {
            emit EIP2612PermitFailedWithReason(token, owner, reason);
        } catch Panic(uint256 errorCode) {
            emit EIP2612PermitFailedWithPanic(token, owner, errorCode);
        } catch (bytes memory data) {
            emit EIP2612PermitFailedWithData(token, owner, data);
        }
    }
}
